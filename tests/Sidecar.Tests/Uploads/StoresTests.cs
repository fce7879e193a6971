using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Tests.Settings;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

/// <summary>Where captures go while the settings change.</summary>
public sealed class StoresTests : IAsyncDisposable
{
    private readonly SpoolFixture _fixture = new();
    private readonly FakeTimeProvider _time = new(SpoolFixture.Start);
    private readonly ConcurrentDictionary<string, FakeStore> _opened = new();
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Stores _stores;
    private readonly List<string> _stored = [];
    private Uploader? _uploader;
    private Task _run = Task.CompletedTask;

    public StoresTests() => _stores = new Stores(
        storage => storage is S3Storage { Bucket: "broken" }
            ? throw new StoreException(Reasons.StoreRefused, "no region", isTransient: false)
            : _opened.GetOrAdd(((S3Storage)storage).Bucket, bucket => new FakeStore(bucket)),
        isChecked: true);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        _uploader?.Dispose();
        _stores.Dispose();
        _draining.Dispose();
        _stop.Dispose();
        _fixture.Dispose();
    }

    [Fact]
    public async Task A_capture_that_waits_goes_whole_to_the_store_that_the_newest_settings_name()
    {
        Follow("old");
        var spool = _fixture.Open();
        _opened["old"].Fault = key => key.EndsWith("cpu.pb.gz", StringComparison.Ordinal);
        Finished(spool, "a", "heap.pb.gz", "cpu.pb.gz");
        Run(spool);
        await Eventually.IsTrue(() => _stores.Status?.Reachable == false, "the store is said to fail");
        Assert.Equal(["ns/app/pod/app/a/heap.pb.gz"], _opened["old"].Puts);
        Follow("new");
        await Eventually.IsTrue(() => spool.Captures.Count == 0, "it is stored");
        Assert.Equal(["ns/app/pod/app/a/heap.pb.gz", "ns/app/pod/app/a/cpu.pb.gz", "ns/app/pod/app/a/manifest.json"], _opened["new"].Puts);
        Assert.Equal(["fake://new/ns/app/pod/app/a/"], _stored);
        Assert.Equal((true, "fake://new/"), (_stores.Status!.Reachable, _stores.Status.Location));
        await Eventually.IsTrue(() => _opened["old"].IsDisposed, "the old one is let go of");
    }

    [Fact]
    public async Task An_upload_that_hangs_is_given_up_for_a_new_store()
    {
        Follow("old");
        var spool = _fixture.Open();
        _opened["old"].Hangs = true;
        Finished(spool, "a", "heap.pb.gz");
        Run(spool);
        await Eventually.IsTrue(() => _opened["old"].Tries > 0, "a try");
        Follow("new");
        await Eventually.IsTrue(() => spool.Captures.Count == 0, "it is stored");
        Assert.Empty(_opened["old"].Puts);
    }

    [Fact]
    public async Task Without_a_store_it_waits_and_without_policies_the_last_store_stays()
    {
        var spool = _fixture.Open();
        Finished(spool, "a", "heap.pb.gz");
        Run(spool);
        Assert.Null(_stores.Status);
        Follow("first");
        await Eventually.IsTrue(() => spool.Captures.Count == 0, "it is stored");
        _stores.Follow(FollowedSettingsTests.Of([], "app"));
        Finished(spool, "b", "heap.pb.gz");
        _uploader!.Wake();
        await Eventually.IsTrue(() => spool.Captures.Count == 0, "it is stored, too");
    }

    [Fact]
    public async Task Each_container_has_the_store_of_its_policy_and_one_that_is_down_keeps_the_other_from_nothing()
    {
        _stores.Follow(FollowedSettingsTests.Of([FollowedSettingsTests.Policy("a", ["app"], "up"), FollowedSettingsTests.Policy("b", ["proxy"], "down")], "app", "proxy", "third"));
        _opened["down"].Fault = _ => true;
        var spool = _fixture.Open();
        Finished(spool, "p", "heap.pb.gz", container: "proxy", minute: 3);
        Finished(spool, "a", "heap.pb.gz", container: "app", minute: 2);
        Finished(spool, "t", "heap.pb.gz", container: "third", minute: 1);
        Run(spool);
        await Eventually.Holds(() => spool.Captures, left => left is [{ Record.Id: "p" }], "only that of the store that is down is left");
        Assert.Contains(_opened["up"].Puts, key => key.Contains("/t/", StringComparison.Ordinal));
        Assert.Equal((false, "fake://down/", Reasons.StoreUnreachable), (_stores.Status!.Reachable, _stores.Status.Location, _stores.Status.Reason));
    }

    [Fact]
    public async Task With_nothing_to_store_a_store_is_tried_and_tried_again_until_it_can_be_written()
    {
        Follow("b");
        _opened["b"].Fault = _ => true;
        Run(_fixture.Open());
        await Eventually.IsTrue(() => _stores.Status?.Reachable == false, "unreachable");
        Assert.Equal("down", _stores.Status!.Message);
        _opened["b"].Fault = _ => false;
        await Eventually.IsTrue(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(100));
                return _stores.Status.Reachable == true;
            },
            "reachable");
        var checks = _opened["b"].Checks;
        _uploader!.Wake();
        Assert.Equal(checks, _opened["b"].Checks);
        Assert.Empty(_opened["b"].Puts);
    }

    [Fact]
    public void A_store_that_cannot_be_opened_is_told()
    {
        Assert.Equal("no region", Assert.Single(_stores.Follow(FollowedSettingsTests.Of([FollowedSettingsTests.Policy("a", bucket: "broken")], "app"))).Status.Message);
        Assert.Equal((false, Reasons.StoreRefused), (_stores.Status!.Reachable, _stores.Status.Reason));
        Assert.Null(_stores.For("app")!.Store);
    }

    private void Follow(string bucket) => _stores.Follow(FollowedSettingsTests.Of([FollowedSettingsTests.Policy("p", bucket: bucket)], "app"));

    private static void Finished(Spool spool, string id, string key, string? second = null, string container = "app", double minute = 0)
    {
        var record = SpoolFixture.Record(id, minute, CaptureType.Heap);
        var capture = spool.Create(record with { Target = record.Target with { Container = container } });
        SpoolFixture.Capture(capture, key, id);
        if (second is not null)
            SpoolFixture.Capture(capture, second, id);
        capture.Complete(last => last with { Phase = CapturePhase.Completed });
    }

    private void Run(Spool spool)
    {
        _uploader = new Uploader(spool, _stores, _time, NullLogger<Uploader>.Instance, (_, location) => _stored.Add(location));
        _run = Task.Run(() => _uploader.RunAsync(_draining.Token, _stop.Token));
    }

    private sealed class FakeStore(string bucket) : IArtifactStore
    {
        private int _tries;
        private int _checks;

        public Func<string, bool> Fault { get; set; } = _ => false;

        public bool Hangs { get; set; }

        public bool IsDisposed { get; private set; }

        public int Tries => Volatile.Read(ref _tries);

        public int Checks => Volatile.Read(ref _checks);

        public ConcurrentQueue<string> Puts { get; } = new();

        public async Task PutAsync(string key, string file, string sha256, CancellationToken ct)
        {
            Interlocked.Increment(ref _tries);
            if (Hangs)
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
            if (Fault(key))
                throw new StoreException(Reasons.StoreUnreachable, "down", isTransient: true);
            Puts.Enqueue(key);
        }

        public Task AbandonUnfinishedAsync(string folder, CancellationToken ct) => Task.CompletedTask;

        public Task CheckAsync(CancellationToken ct)
        {
            Interlocked.Increment(ref _checks);
            return Fault("") ? Task.FromException(new StoreException(Reasons.StoreUnreachable, "down", isTransient: true)) : Task.CompletedTask;
        }

        public string Locate(string key) => $"fake://{bucket}/{key}";

        public void Dispose() => IsDisposed = true;
    }
}
