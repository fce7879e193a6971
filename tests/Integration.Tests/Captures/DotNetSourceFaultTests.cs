using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

public sealed class DotNetSourceFaultTests
{
    private static readonly CaptureBounds Short = new() { Allowance = TimeSpan.FromSeconds(1), Stall = TimeSpan.FromMilliseconds(500) };
    private static readonly PlannedCapture Snapshot = Heap(CaptureVariant.Snapshot);
    private static readonly PlannedCapture Cpu = new(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromMilliseconds(200));

    [Fact]
    public async Task A_whole_heap_is_captured_with_its_types()
    {
        await using var runtime = StubRuntime.Streaming(WholeHeap());
        var (result, stored) = await CaptureAsync(runtime, Snapshot);

        var captured = Assert.IsType<CaptureResult.Captured>(result);
        Assert.Equal([new TypeRow("Shop.Order", 2, 96)], captured.Types!.Rows);
        Assert.Equal(stored.Length, captured.Bytes);
        Assert.Equal(WholeHeap(), Gzip.Unpack(stored));
    }

    [Fact]
    public async Task Names_that_the_snapshot_has_no_room_for_come_by_the_session_beside_it()
    {
        var sessions = 0;
        await using var runtime = StubRuntime.Start(async (set, command, _, stream, ct) =>
        {
            await stream.WriteAsync(StubRuntime.Ok([.. NettraceEncoder.I64(7)]), ct);
            if ((set, command) is (2, 1))
                return;
            await stream.WriteAsync(Interlocked.Increment(ref sessions) == 1 ? NamesOnly() : WithoutNames(), ct);
        });
        var (result, _) = await CaptureAsync(runtime, Snapshot);

        Assert.Equal([new TypeRow("Shop.Order", 2, 96)], Assert.IsType<CaptureResult.Captured>(result).Types!.Rows);
    }

    [Fact]
    public async Task A_server_that_never_answers_costs_no_more_than_its_time()
    {
        await using var runtime = StubRuntime.Start((_, _, _, _, ct) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct));

        Assert.Equal(Reasons.TimedOut, Failed(await CaptureAsync(runtime, Snapshot)).Reason);
    }

    [Fact]
    public async Task A_runtime_that_walks_a_large_heap_before_it_answers_is_waited_for()
    {
        var time = new FakeTimeProvider();
        await using var runtime = StubRuntime.Start(async (_, _, _, stream, ct) =>
        {
            time.Advance(DiagnosticsClient.AnswerTimeout + TimeSpan.FromSeconds(3));
            await stream.WriteAsync(StubRuntime.Ok([.. NettraceEncoder.I64(7)]), ct);
            await stream.WriteAsync(WholeHeap(), ct);
        });
        using var source = Source(runtime, time: time);

        Assert.IsType<CaptureResult.Captured>(await source.CaptureAsync(Snapshot with { CostTime = TimeSpan.FromSeconds(2) }, Stream.Null, new CaptureBounds(), CancellationToken.None));
    }

    [Fact]
    public async Task An_answer_that_is_none_fails_the_capture()
    {
        await using var runtime = StubRuntime.Start(async (_, _, _, stream, ct) => await stream.WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), ct));

        Assert.Equal(Reasons.InvalidContent, Failed(await CaptureAsync(runtime, Cpu)).Reason);
    }

    [Fact]
    public async Task A_stream_that_is_no_nettrace_fails_the_capture()
    {
        await using var runtime = StubRuntime.Streaming("<html><body>this is not what was asked for</body></html>"u8.ToArray());
        var failed = Failed(await CaptureAsync(runtime, Snapshot));

        Assert.Equal(Reasons.InvalidContent, failed.Reason);
        Assert.Contains("nettrace", failed.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_that_turns_into_garbage_fails_the_capture()
    {
        await using var runtime = StubRuntime.Streaming([.. WholeHeap()[..^1], .. Enumerable.Repeat((byte)0x55, 1000)]);

        Assert.Equal(Reasons.InvalidContent, Failed(await CaptureAsync(runtime, Snapshot)).Reason);
    }

    [Fact]
    public async Task A_runtime_that_dies_while_it_streams_leaves_what_came_in_a_form_that_opens()
    {
        await using var runtime = StubRuntime.Streaming(WholeHeap()[..^40]);
        var (result, stored) = await CaptureAsync(runtime, Snapshot, isAlive: false);

        var partial = Assert.IsType<CaptureResult.Partial>(result);
        Assert.Equal(Reasons.TargetExited, partial.Reason);
        Assert.True(partial.Types!.IsPartial);
        Assert.Equal(2, partial.Types.Objects);
        // Ended behind the last whole block, as a stream that ends by itself.
        var content = Gzip.Unpack(stored);
        Assert.Equal(1, content[^1]);
        Assert.Equal(WholeHeap().AsSpan(0, content.Length - 1), content.AsSpan(..^1));
        Assert.True(Assert.IsType<ProfileContent.Types>(ProfileContent.Read(new MemoryStream(stored))).Table.IsPartial);
    }

    [Fact]
    public async Task A_connection_that_breaks_before_there_are_objects_leaves_nothing()
    {
        await using var runtime = StubRuntime.Streaming(NettraceEncoder.Start().Event(1, NettraceEncoder.GCStart(1)).ToArray()[..^1]);

        Assert.Equal(Reasons.TargetNotResponding, Failed(await CaptureAsync(runtime, Snapshot)).Reason);
    }

    [Fact]
    public async Task A_walk_that_never_ends_meets_its_deadline_and_keeps_what_came()
    {
        var head = WithStart().ToArray()[..^1];
        await using var runtime = StubRuntime.Streaming(head, async (stream, ct) =>
        {
            // Each of the two sessions has a stream of its own.
            var encoder = WithStart();
            var sent = head.Length;
            while (true)
            {
                var all = encoder.Event(18, encoder.BulkNodes(0, (1, 48))).ToArray();
                await stream.WriteAsync(all.AsMemory(sent, all.Length - 1 - sent), ct);
                sent = all.Length - 1;
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, ct);
            }
        });
        var (result, stored) = await CaptureAsync(runtime, Snapshot);

        var partial = Assert.IsType<CaptureResult.Partial>(result);
        Assert.Equal(Reasons.TimedOut, partial.Reason);
        Assert.True(partial.Types is { IsPartial: true, Objects: > 1 });
        Assert.Equal(partial.Types.Objects, Assert.IsType<ProfileContent.Types>(ProfileContent.Read(new MemoryStream(stored))).Table.Objects);
    }

    [Fact]
    public async Task A_collection_that_never_begins_meets_its_deadline()
    {
        await using var runtime = StubRuntime.Streaming(NettraceEncoder.Start().ToArray()[..^1], (_, ct) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct));

        Assert.Equal(Reasons.TargetNotResponding, Failed(await CaptureAsync(runtime, Snapshot)).Reason);
    }

    [Theory]
    [InlineData(CaptureVariant.Snapshot, false)]
    [InlineData(CaptureVariant.PartialSnapshot, true)]
    public async Task A_walk_whose_end_was_dropped_is_over_when_nothing_more_comes(CaptureVariant variant, bool isWhatWasAskedFor)
    {
        var stopped = new TaskCompletionSource();
        var encoder = NettraceEncoder.Start();
        var walk = encoder.Event(1, NettraceEncoder.GCStart(1)).Event(18, encoder.BulkNodes(0, (1, 48))).ToArray()[..^1];
        var rest = encoder.SequencePoint((1, 500)).ToArray()[walk.Length..];
        await using var runtime = StubRuntime.Start(async (set, command, _, stream, ct) =>
        {
            await stream.WriteAsync(StubRuntime.Ok([.. NettraceEncoder.I64(7)]), ct);
            if ((set, command) is (2, 1))
            {
                stopped.TrySetResult();
                return;
            }
            await stream.WriteAsync(walk, ct);
            await stopped.Task.WaitAsync(ct);
            await stream.WriteAsync(rest, ct);
        });
        var (result, _) = await CaptureAsync(runtime, Heap(variant), new CaptureBounds());

        Assert.True(stopped.Task.IsCompleted);
        if (isWhatWasAskedFor)
            Assert.True(Assert.IsType<CaptureResult.Captured>(result).Types is { IsPartial: true, Objects: 1 });
        else
            Assert.Equal(Reasons.TooLarge, Assert.IsType<CaptureResult.Partial>(result).Reason);
    }

    [Fact]
    public async Task A_stream_without_end_is_cut_at_the_bound_and_kept()
    {
        var encoder = NettraceEncoder.Start();
        var head = encoder.Event(9, [], provider: EventPipeProvider.SampleProfiler).Flush().ToArray()[..^1];
        await using var runtime = StubRuntime.Streaming(head, async (stream, ct) =>
        {
            for (var sent = head.Length; ;)
            {
                var next = Aligned(sent);
                await stream.WriteAsync(next, ct);
                sent += next.Length;
            }
        });
        var (result, stored) = await CaptureAsync(runtime, Cpu with { Duration = TimeSpan.FromMinutes(1) }, new CaptureBounds { MaxBytes = 4 << 20 });

        Assert.Equal(Reasons.TooLarge, Assert.IsType<CaptureResult.Partial>(result).Reason);
        Assert.InRange(stored.Length, 3 << 20, 4 << 20);
        Assert.Equal(1, stored[^1]);

        // A block that stands at any place of the stream: its content is aligned there.
        static byte[] Aligned(int at)
        {
            var whole = new NettraceEncoder().Raw(new byte[at % 4]).Block("OtherBlock", new byte[64 * 1024]).ToArray();
            return whole[(at % 4)..^1];
        }
    }

    [Fact]
    public async Task What_the_destination_throws_comes_as_it_is()
    {
        await using var runtime = StubRuntime.Streaming(WholeHeap());
        using var source = Source(runtime);

        await Assert.ThrowsAsync<IOException>(() => source.CaptureAsync(Cpu, new FullStream(), Short, CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(() => source.CaptureAsync(Snapshot, new FullStream(), Short, CancellationToken.None));
    }

    [Fact]
    public async Task A_runtime_without_createdump_says_so()
    {
        await using var runtime = StubRuntime.Start(async (_, _, _, stream, ct) => await stream.WriteAsync(StubRuntime.Error(0x80004005, "createdump was not found"), ct));
        using var folder = new TemporaryFolder();
        var failed = Failed(await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), dumps: folder));

        Assert.Contains("createdump was not found", failed.Detail, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData("text", "no ELF core dump")]
    [InlineData("link", "cannot be opened")]
    [InlineData("nothing", "cannot be opened")]
    [InlineData("pipe", "no file")]
    [InlineData("folder", "no file")]
    public async Task What_is_no_dump_is_not_read_for_one_and_is_removed(string what, string why)
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        File.WriteAllBytes(elsewhere.File("secret"), Core(100));
        await using var runtime = Dumping(path =>
        {
            switch (what)
            {
                case "text": File.WriteAllText(path, new string('s', 1000)); break;
                case "link": File.CreateSymbolicLink(path, elsewhere.File("secret")); break;
                case "pipe": ChildProcess.RunAsync("mkfifo", [path]).GetAwaiter().GetResult(); break;
                case "folder": Directory.CreateDirectory(path); break;
            }
        });
        var failed = Failed(await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), dumps: folder));

        Assert.Equal(Reasons.InvalidContent, failed.Reason);
        Assert.Contains(why, failed.Detail, StringComparison.Ordinal);
        Assert.True(what == "folder" || !Directory.EnumerateFileSystemEntries(folder.Path).Any());
        Assert.True(File.Exists(elsewhere.File("secret")));
    }

    [Fact]
    public async Task A_dump_is_compressed_on_its_way_and_gone_when_it_is_there()
    {
        using var folder = new TemporaryFolder();
        var core = Core(10 << 20);
        await using var runtime = Dumping(path => File.WriteAllBytes(path, core));
        var (result, stored) = await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), dumps: folder);

        Assert.Equal(stored.Length, Assert.IsType<CaptureResult.Captured>(result).Bytes);
        Assert.Equal(core, Gzip.Unpack(stored));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task A_dump_that_is_too_large_even_compressed_fails_and_is_gone()
    {
        using var folder = new TemporaryFolder();
        await using var runtime = Dumping(path => File.WriteAllBytes(path, Core(3 << 20)));
        var failed = Failed(await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), new CaptureBounds { MaxBytes = 1 << 20 }, dumps: folder));

        Assert.Equal(Reasons.TooLarge, failed.Reason);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task A_dump_is_not_begun_where_the_disk_has_no_room_for_it()
    {
        using var folder = new TemporaryFolder();
        await using var runtime = Dumping(_ => { });
        var failed = Failed(await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), dumps: folder, residentBytes: 1L << 60));

        Assert.Equal(Reasons.DiskFull, failed.Reason);
        Assert.Empty(runtime.Commands);
    }

    [Fact]
    public async Task A_runtime_that_dies_while_it_writes_its_dump_is_said_to_have_died()
    {
        using var folder = new TemporaryFolder();
        await using var runtime = StubRuntime.Start((_, _, payload, _, _) =>
        {
            File.WriteAllBytes(PathIn(payload), Core(1 << 20));
            return Task.CompletedTask;
        });
        var failed = Failed(await CaptureAsync(runtime, Heap(CaptureVariant.HeapDump), isAlive: false, dumps: folder));

        Assert.Equal(Reasons.TargetExited, failed.Reason);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    private static PlannedCapture Heap(CaptureVariant variant) => new(CaptureType.Heap, PlanDecisions.Chosen, null) { Variant = variant, BufferBytes = 16 << 20 };

    private static byte[] WholeHeap() => WithObjects(WithNames(WithStart()));

    private static byte[] WithoutNames() => WithObjects(WithStart());

    private static byte[] NamesOnly() => WithNames(NettraceEncoder.Start()).ToArray();

    private static NettraceEncoder WithStart() => NettraceEncoder.Start().Event(1, NettraceEncoder.GCStart(1));

    private static NettraceEncoder WithNames(NettraceEncoder encoder) => encoder.Event(15, NettraceEncoder.BulkTypes((1, "Shop.Order")));

    private static byte[] WithObjects(NettraceEncoder encoder) =>
        encoder
            .Event(18, encoder.BulkNodes(0, (1, 48), (1, 48)))
            .Event(2, NettraceEncoder.GCEnd(1))
            .ToArray();

    /// <summary>Random behind the header, so that it does not compress.</summary>
    private static byte[] Core(int bytes)
    {
        var core = new byte[bytes];
        new Random(1).NextBytes(core);
        byte[] header = [0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
        header.CopyTo(core, 0);
        return core;
    }

    private static StubRuntime Dumping(Action<string> write) => StubRuntime.Start(async (_, _, payload, stream, ct) =>
    {
        write(PathIn(payload));
        await stream.WriteAsync(StubRuntime.Ok([.. NettraceEncoder.I32(0)]), ct);
    });

    private static string PathIn(byte[] payload) => System.Text.Encoding.Unicode.GetString(payload, 4, (BitConverter.ToInt32(payload) - 1) * 2);

    private static CaptureResult.Failed Failed((CaptureResult Result, byte[] Stored) capture) => Assert.IsType<CaptureResult.Failed>(capture.Result);

    private static DotNetSource Source(StubRuntime runtime, bool isAlive = true, TemporaryFolder? dumps = null, long residentBytes = 0, TimeProvider? time = null) => new(
        new DiagnosticsClient(new SocketEndpoint(runtime.Path), time ?? TimeProvider.System),
        () => dumps is null
            ? new DumpFolderSearch.NotFound(new Obstacle(Reasons.NotSupportedByRuntime, "no folder"))
            : new DumpFolderSearch.Found(new DumpFolder(dumps.Path, dumps.Path)),
        () => residentBytes,
        () => isAlive,
        time ?? TimeProvider.System);

    private static async Task<(CaptureResult Result, byte[] Stored)> CaptureAsync(
        StubRuntime runtime, PlannedCapture step, CaptureBounds? bounds = null, bool isAlive = true, TemporaryFolder? dumps = null, long residentBytes = 0)
    {
        using var source = Source(runtime, isAlive, dumps, residentBytes);
        using var destination = new MemoryStream();
        var result = await source.CaptureAsync(step, destination, bounds ?? Short, CancellationToken.None);
        return (result, destination.ToArray());
    }

    private sealed class FullStream : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("the disk is full");

        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("the disk is full");

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("the disk is full");
    }
}
