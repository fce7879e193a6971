using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class UploaderTests : IAsyncDisposable
{
    private readonly SpoolFixture _fixture = new();
    private readonly FakeTimeProvider _time = new(SpoolFixture.Start);
    private readonly FakeStore _store = new();
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _stop = new();
    private Uploader? _uploader;
    private Task? _run;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_run is not null)
            await _run;
        _uploader?.Dispose();
        _draining.Dispose();
        _stop.Dispose();
        _store.Dispose();
        _fixture.Dispose();
    }

    [Fact]
    public async Task The_manifest_comes_last_and_the_files_go()
    {
        var spool = _fixture.Open();
        var capture = Captured(spool, "a", "heap.pb.gz", "cpu.pb.gz");
        Finish(capture);
        await DrainAsync(spool);
        Assert.Equal(["ns/app/pod/app/a/heap.pb.gz", "ns/app/pod/app/a/cpu.pb.gz", "ns/app/pod/app/a/manifest.json"], _store.Puts);
        Assert.Equal("a", JsonSerializer.Deserialize(_store.Stored["ns/app/pod/app/a/manifest.json"], ContractsJson.Default.CaptureRecord)!.Id);
        Assert.Empty(spool.Captures);
        Assert.False(Directory.Exists(_fixture.PathOf("a")));
        Assert.Equal(0, spool.UsedBytes);
    }

    [Fact]
    public async Task While_a_capture_goes_on_its_artifacts_are_stored_and_no_manifest()
    {
        var spool = _fixture.Open();
        var capture = Captured(spool, "a", "heap.pb.gz");
        Run(spool);
        await StoredAsync("ns/app/pod/app/a/heap.pb.gz");
        SpoolFixture.Capture(capture, "cpu.pb.gz", "cpu");
        _uploader!.Wake();
        await StoredAsync("ns/app/pod/app/a/cpu.pb.gz");
        Assert.Equal(2, _store.Puts.Count);
        Finish(capture);
        _uploader.Wake();
        await StoredAsync("ns/app/pod/app/a/manifest.json");
    }

    [Fact]
    public async Task What_could_not_be_captured_is_in_the_manifest_and_keeps_nothing_back()
    {
        var spool = _fixture.Open();
        var capture = Captured(spool, "a", "heap.pb.gz");
        capture.Add(new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Error = "dead", Reason = Reasons.TargetExited });
        Finish(capture);
        await DrainAsync(spool);
        Assert.Equal(["ns/app/pod/app/a/heap.pb.gz", "ns/app/pod/app/a/manifest.json"], _store.Puts);
    }

    [Fact]
    public async Task The_newest_comes_first()
    {
        var spool = _fixture.Open();
        foreach (var (id, minute) in new[] { ("b", 2), ("c", 3), ("a", 1) })
            Finish(Captured(spool, id, minute, "heap.pb.gz"));
        await DrainAsync(spool);
        Assert.Equal(["c", "b", "a"], _store.Puts.Where(key => key.EndsWith("manifest.json", StringComparison.Ordinal)).Select(key => key.Split('/')[4]));
    }

    [Fact]
    public async Task The_waits_grow_to_a_minute_and_begin_anew_after_a_success()
    {
        var spool = _fixture.Open();
        _store.Fault = _ => new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
        Finish(Captured(spool, "a", "heap.pb.gz"));
        Run(spool);
        foreach (var seconds in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
            await FailsAndWaitsAsync(seconds);
        _store.Fault = null;
        await FailsAndWaitsAsync(60);
        await StoredAsync("ns/app/pod/app/a/manifest.json");
        _store.Fault = _ => new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
        Finish(Captured(spool, "b", "heap.pb.gz"));
        await Eventually.IsTrue(() => spool.Captures.All(capture => capture.Record.Id != "a"), "a is gone");
        _triesSeen = _store.Tries + 1;
        _uploader!.Wake();
        await FailsAndWaitsAsync(1);
    }

    [Fact]
    public async Task A_store_that_is_down_is_asked_once_a_round()
    {
        var spool = _fixture.Open();
        _store.Fault = _ => new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
        for (var i = 0; i < 5; i++)
            Finish(Captured(spool, $"c{i}", i, "heap.pb.gz"));
        Run(spool);
        await Eventually.IsTrue(() => _store.Tries == 1, "the first try");
        // Were it asked for each of the five, there would be more before time goes on.
        Assert.Equal(1, _store.Tries);
        await TimeGoesOnUntil(() => _store.Tries > 1, "the next round");
        Assert.Equal(2, _store.Tries);
    }

    [Theory]
    [InlineData("refused")]
    [InlineData("mismatch")]
    [InlineData("io")]
    [InlineData("cancelled")]
    [InlineData("mistake")]
    public async Task What_fails_for_one_capture_keeps_no_other_back(string fault)
    {
        var spool = _fixture.Open();
        foreach (var (id, minute) in new[] { ("a", 1), ("b", 2), ("c", 3) })
            Finish(Captured(spool, id, minute, "heap.pb.gz"));
        _store.Fault = key => !key.Contains("/c/", StringComparison.Ordinal) ? null : fault switch
        {
            "refused" => new StoreException(Reasons.StoreRefused, "no", isTransient: false),
            "mismatch" => new StoreException(Reasons.ContentMismatch, "no", isTransient: true),
            "io" => new IOException("disk"),
            "cancelled" => new TaskCanceledException("a timeout of its own"),
            _ => new InvalidOperationException("ours"),
        };
        Run(spool);
        await StoredAsync("ns/app/pod/app/a/manifest.json");
        Assert.Contains("ns/app/pod/app/b/manifest.json", _store.Stored.Keys);
        await Eventually.Holds(() => spool.Captures, left => left is [{ Record.Id: "c" }], "c alone is left");
        _store.Fault = null;
        await TimeGoesOnUntil(() => spool.Captures.Count == 0, "c is stored");
    }

    [Fact]
    public async Task A_file_that_has_gone_keeps_no_other_back()
    {
        var spool = _fixture.Open();
        Finish(Captured(spool, "a", 1, "heap.pb.gz"));
        var newer = Captured(spool, "b", 2, "heap.pb.gz");
        Finish(newer);
        File.Delete(newer.PathOf("heap.pb.gz"));
        Run(spool);
        await StoredAsync("ns/app/pod/app/a/manifest.json");
    }

    [Fact]
    public async Task Draining_stores_what_is_there_and_ends()
    {
        var spool = _fixture.Open();
        Run(spool);
        Finish(Captured(spool, "a", "heap.pb.gz"));
        await _draining.CancelAsync();
        await _run!;
        Assert.Empty(spool.Captures);
    }

    [Fact]
    public async Task Draining_ends_a_long_wait_and_tries_until_it_is_stopped()
    {
        var spool = _fixture.Open();
        _store.Fault = _ => new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
        Finish(Captured(spool, "a", "heap.pb.gz"));
        Run(spool);
        await Eventually.IsTrue(() => _store.Tries == 1, "the first try");
        await _draining.CancelAsync();
        await Eventually.IsTrue(() => _store.Tries == 2, "a try at once");
        var before = _time.GetUtcNow();
        await TimeGoesOnUntil(() => _store.Tries == 3, "a try a second");
        Assert.InRange((_time.GetUtcNow() - before).TotalSeconds, 0.8, 5);
        await _stop.CancelAsync();
        await _run!;
        Assert.Single(spool.Captures);
    }

    [Fact]
    public async Task What_was_cut_off_in_an_earlier_life_is_abandoned_first_and_once()
    {
        Finish(Captured(_fixture.Open(), "old", "heap.pb.gz"));
        var spool = _fixture.Open();
        Finish(Captured(spool, "new", 1, "heap.pb.gz"));
        await DrainAsync(spool);
        Assert.Equal(["ns/app/pod/app/old/"], _store.Abandoned);
    }

    [Fact]
    public async Task Until_the_old_upload_is_abandoned_nothing_is_put_in_its_place()
    {
        Finish(Captured(_fixture.Open(), "old", "heap.pb.gz"));
        var spool = _fixture.Open();
        _store.AbandonFault = new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
        Run(spool);
        await Eventually.IsTrue(() => _store.Tries == 1, "the first try");
        Assert.Empty(_store.Puts);
        _store.AbandonFault = null;
        await TimeGoesOnUntil(() => _store.Stored.ContainsKey("ns/app/pod/app/old/manifest.json"), "it is stored");
        Assert.Equal(2, _store.Abandoned.Count);
    }

    [Fact]
    public async Task What_is_stored_before_the_sidecar_is_killed_is_not_stored_twice()
    {
        var capture = Captured(_fixture.Open(), "a", "heap.pb.gz", "cpu.pb.gz");
        Finish(capture);
        capture.MarkStored("heap.pb.gz");
        await DrainAsync(_fixture.Open());
        Assert.Equal(["ns/app/pod/app/a/cpu.pb.gz", "ns/app/pod/app/a/manifest.json"], _store.Puts);
    }

    private static SpooledCapture Captured(Spool spool, string id, params string[] keys) => Captured(spool, id, 0, keys);

    private static SpooledCapture Captured(Spool spool, string id, double minute, params string[] keys)
    {
        var capture = spool.Create(SpoolFixture.Record(id, minute, CaptureType.Heap));
        foreach (var key in keys)
            SpoolFixture.Capture(capture, key, key + id);
        return capture;
    }

    private static void Finish(SpooledCapture capture) => capture.Complete(record => record with { Phase = CapturePhase.Completed });

    private void Run(Spool spool)
    {
        _uploader = new Uploader(spool, Stores.Of(_store), _time, NullLogger<Uploader>.Instance);
        _run = Task.Run(() => _uploader.RunAsync(_draining.Token, _stop.Token));
    }

    private async Task DrainAsync(Spool spool)
    {
        await _draining.CancelAsync();
        Run(spool);
        await _run!;
    }

    private Task StoredAsync(string key) => Eventually.IsTrue(() => _store.Stored.ContainsKey(key), $"{key} is stored");

    /// <summary>A wait begins a moment after what it follows: time goes on in small steps until it is over.</summary>
    private Task TimeGoesOnUntil(Func<bool> condition, string what) => Eventually.IsTrue(
        () =>
        {
            if (condition())
                return true;
            _time.Advance(TimeSpan.FromMilliseconds(50));
            return false;
        },
        what);

    /// <summary>The present wait is that long, give or take a fifth.</summary>
    private async Task FailsAndWaitsAsync(double seconds)
    {
        var tries = Math.Max(1, _triesSeen);
        await Eventually.Holds(() => _store.Tries, now => now >= tries, "a try");
        tries = _store.Tries;
        var began = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(seconds * 0.79));
        Assert.Equal(tries, _store.Tries);
        await Eventually.Holds(
            () =>
            {
                // The wait begins a moment after the try: time goes on until it is over.
                if (_store.Tries == tries)
                    _time.Advance(TimeSpan.FromSeconds(seconds * 0.05));
                return _store.Tries;
            },
            now => now > tries,
            $"a try after {seconds} s");
        // It may have begun only after the first step, and not later.
        Assert.InRange((_time.GetUtcNow() - began).TotalSeconds, seconds * 0.79, seconds * 2.1);
        _triesSeen = _store.Tries;
    }

    private int _triesSeen;

    private sealed class FakeStore : IArtifactStore
    {
        private int _tries;

        public Func<string, Exception?>? Fault { get; set; }

        public Exception? AbandonFault { get; set; }

        public int Tries => Volatile.Read(ref _tries);

        public ConcurrentQueue<string> Puts { get; } = new();

        public ConcurrentQueue<string> Abandoned { get; } = new();

        public ConcurrentDictionary<string, byte[]> Stored { get; } = new();

        public async Task PutAsync(string key, string file, string sha256, CancellationToken ct)
        {
            Interlocked.Increment(ref _tries);
            await Task.Yield();
            ct.ThrowIfCancellationRequested();
            if (Fault?.Invoke(key) is { } fault)
                throw fault;
            var content = await File.ReadAllBytesAsync(file, ct);
            Assert.Equal(sha256, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)));
            Puts.Enqueue(key);
            Stored[key] = content;
        }

        public Task AbandonUnfinishedAsync(string folder, CancellationToken ct)
        {
            Abandoned.Enqueue(folder);
            if (AbandonFault is not { } fault)
                return Task.CompletedTask;
            Interlocked.Increment(ref _tries);
            return Task.FromException(fault);
        }

        public Task CheckAsync(CancellationToken ct) => Task.CompletedTask;

        public string Locate(string key) => "fake://" + key;

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
