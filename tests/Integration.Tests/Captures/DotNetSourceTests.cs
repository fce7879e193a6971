using Microsoft.Diagnostics.Tracing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Integration.Tests.Targets;
using Premortem.Profiles;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

/// <summary>Captures from the sample .NET service, read back with readers that are not ours.</summary>
public sealed class DotNetSourceTests
{
    private const string Order = "Shop.Orders.Order";
    private const long Mib = 1 << 20;

    [Fact]
    public async Task A_snapshot_has_the_types_counts_and_bytes_that_TraceEvent_finds_in_it()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "20");
        var result = await CaptureAsync(leak, Heap(CaptureVariant.Snapshot, 256 * Mib), folder.File("heap.gz"));

        var types = Assert.IsType<CaptureResult.Captured>(result).Types!;
        Readers.Unpack(folder.File("heap.gz"), folder.File("heap.nettrace"));
        var theirs = Readers.TypesIn(folder.File("heap.nettrace"));
        Assert.False(types.IsPartial);
        Assert.True(theirs.Count > 50, $"{theirs.Count} types");
        Assert.Equal(theirs, types.Rows.OrderBy(row => row.Name, StringComparer.Ordinal));
        Assert.Equal(theirs.Sum(row => row.Objects), types.Objects);
        Assert.Equal(theirs.Sum(row => row.Bytes), types.Bytes);
        Assert.Contains(types.Rows.Take(5), row => row.Name == Order);
    }

    [Fact]
    public async Task A_snapshot_whose_buffers_are_too_small_is_a_part_that_opens()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "60");
        var result = await CaptureAsync(leak, Heap(CaptureVariant.Snapshot, 4 * Mib), folder.File("heap.gz"));

        var partial = Assert.IsType<CaptureResult.Partial>(result);
        Assert.Equal(Reasons.TooLarge, partial.Reason);
        Assert.True(partial.Types is { IsPartial: true, Objects: > 1000 });
        Readers.Unpack(folder.File("heap.gz"), folder.File("heap.nettrace"));
        Assert.Equal(Readers.TypesIn(folder.File("heap.nettrace")).Sum(row => row.Objects), partial.Types.Objects);

        var sample = Assert.IsType<CaptureResult.Captured>(await CaptureAsync(leak, Heap(CaptureVariant.PartialSnapshot, 4 * Mib), folder.File("sample.gz")));
        Assert.True(sample.Types is { IsPartial: true, Objects: > 1000 });
    }

    [Theory]
    [InlineData(CaptureVariant.AllocationSamples)]
    [InlineData(CaptureVariant.AllocationTicks)]
    public async Task Allocations_are_estimated_to_what_the_service_allocates(CaptureVariant variant)
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "1", "-churn", "50");
        var result = await CaptureAsync(leak, Heap(variant, 16 * Mib) with { Duration = TimeSpan.FromSeconds(3) }, folder.File("allocations.nettrace"));

        var types = Assert.IsType<CaptureResult.Captured>(result).Types!;
        Assert.Equal("allocations of 3s", types.Measure);
        Assert.Contains(types.Rows.Take(6), row => row.Name == Order);
        // 150 MB in 3 s; less on a loaded machine, and more while it makes up for that.
        Assert.InRange(types.Bytes, 30 * Mib, 300 * Mib);
        using var source = new EventPipeEventSource(folder.File("allocations.nettrace"));
        var events = 0;
        source.AllEvents += item => events += (int)item.ID is 303 or 10 ? 1 : 0;
        source.Process();
        Assert.True(events > 100, $"{events} events");
    }

    [Fact]
    public async Task A_CPU_profile_names_the_hot_spot_in_TraceLog()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "1");
        var result = await CaptureAsync(leak, new PlannedCapture(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(2)), folder.File("cpu.nettrace"));

        Assert.IsType<CaptureResult.Captured>(result);
        Assert.Contains("Reprice", Readers.MethodsIn(folder.File("cpu.nettrace")));
    }

    [Fact]
    public async Task The_top_of_a_CPU_profile_has_the_methods_and_samples_that_TraceLog_finds()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "1", "-churn", "50");
        var result = await CaptureAsync(leak, new PlannedCapture(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(3)), folder.File("cpu.nettrace"));

        Assert.IsType<CaptureResult.Captured>(result);
        using var file = File.OpenRead(folder.File("cpu.nettrace"));
        var profile = Assert.IsType<ProfileContent.Functions>(ProfileContent.Read(file)).Profile;
        var top = TopTable.Of(profile, new TopOptions { SampleIndex = "samples", NodeCount = 0, NodeFraction = 0 });
        var theirs = Readers.SamplesIn(folder.File("cpu.nettrace"));
        Assert.True(theirs.Count > 10, $"{theirs.Count} methods");
        Assert.Equal(
            theirs.Select(method => (method.Key, method.Value.Flat, method.Value.Cum)).OrderBy(method => method.Key, StringComparer.Ordinal),
            top.Rows.Select(row => (row.Name, row.Flat, row.Cum)).OrderBy(row => row.Name, StringComparer.Ordinal));
        Assert.Contains(top.Rows, row => row.Name.Contains("Reprice(", StringComparison.Ordinal));
        Assert.Empty(profile.Comments);
        // As long as it was asked for, but for what a loaded machine takes to begin.
        Assert.InRange(profile.DurationNanos / 1e9, 1, 6);
    }

    [Fact]
    public async Task A_trace_of_collections_has_them()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "1", "-churn", "200");
        var result = await CaptureAsync(leak, new PlannedCapture(CaptureType.GcTrace, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(3)), folder.File("gc.nettrace"));

        Assert.IsType<CaptureResult.Captured>(result);
        using var source = new EventPipeEventSource(folder.File("gc.nettrace"));
        var ticks = 0;
        source.Clr.GCAllocationTick += _ => ticks++;
        source.Process();
        Assert.True(ticks > 10, $"{ticks} ticks");
    }

    [Theory]
    [InlineData(CaptureType.Heap, CaptureVariant.Snapshot, 100_000)]
    [InlineData(CaptureType.Heap, CaptureVariant.AllocationSamples, 5_000)]
    [InlineData(CaptureType.Heap, CaptureVariant.AllocationTicks, 5_000)]
    [InlineData(CaptureType.Cpu, null, 20_000)]
    [InlineData(CaptureType.GcTrace, null, 5_000)]
    public async Task What_came_of_a_runtime_that_was_killed_while_it_streamed_is_kept_and_opens(CaptureType type, CaptureVariant? variant, int afterBytes)
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", variant == CaptureVariant.Snapshot ? "150" : "5", "-churn", "20");
        var step = new PlannedCapture(type, PlanDecisions.Chosen, null, variant == CaptureVariant.Snapshot ? null : TimeSpan.FromSeconds(60)) { Variant = variant, BufferBytes = 256 * Mib };
        var result = await CaptureAsync(leak, step, folder.File("artifact"), watch: file =>
        {
            if (file.Length > afterBytes)
                leak.Process.Kill();
        });

        var partial = Assert.IsType<CaptureResult.Partial>(result);
        Assert.Equal(Reasons.TargetExited, partial.Reason);
        Assert.Equal(new FileInfo(folder.File("artifact")).Length, partial.Bytes);
        if (type == CaptureType.Heap)
            Assert.True(partial.Types is { IsPartial: true, Objects: > 10 }, $"{partial.Types}");
        Assert.True(Readers.EventsIn(variant == CaptureVariant.Snapshot ? Readers.Unpack(folder.File("artifact"), folder.File("heap.nettrace")) : folder.File("artifact")) > 10);
    }

    [Theory]
    [InlineData(CaptureVariant.PartialSnapshot)]
    [InlineData(CaptureVariant.HeapDump)]
    public async Task A_runtime_that_is_killed_while_it_stands_still_ends_the_capture_as_a_death(CaptureVariant variant)
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "300");
        // The walk takes more than a second, and the dump as long.
        var begun = TimeProvider.System.GetTimestamp();
        var result = await CaptureAsync(leak, Heap(variant, 4 * Mib), folder.File("artifact"), watch: _ =>
        {
            if (variant == CaptureVariant.HeapDump ? Dumps(folder).Any() : TimeProvider.System.GetElapsedTime(begun) > TimeSpan.FromMilliseconds(300))
                leak.Process.Kill();
        });

        Assert.Equal(Reasons.TargetExited, result switch
        {
            CaptureResult.Partial partial => partial.Reason,
            CaptureResult.Failed failed => failed.Reason,
            _ => $"{result}",
        });
        // createdump goes on for a moment when the process that it reads is gone.
        await Eventually.IsTrue(() => !Dumps(folder).Any(), "nothing left on the target's disk");
    }

    [Fact]
    public async Task A_disk_that_becomes_full_while_the_dump_is_written_is_named_and_nothing_is_left_on_it()
    {
        using var folder = new TemporaryFolder();
        using var disk = SmallDisk.MountExt4(folder.File("disk"), mebibytes: 150);
        await using var leak = await HoldAsync("-size", "150");
        // It grew since it was asked.
        var asked = 0;
        var result = await CaptureAsync(
            leak, Heap(CaptureVariant.HeapDump, 0), folder.File("heap.dmp.gz"), dumps: new DumpFolder(disk.Path, disk.Path), residentBytes: resident => asked++ == 0 ? Mib : resident);

        var failed = Assert.IsType<CaptureResult.Failed>(result);
        Assert.Equal(Reasons.DiskFull, failed.Reason);
        Assert.Contains(disk.Path, failed.Detail, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(disk.Path));
        Assert.False(leak.Process.HasExited);
    }

    [Fact]
    public async Task A_dump_does_not_stay_in_the_memory_that_the_target_is_charged_for()
    {
        using var folder = new TemporaryFolder();
        using var cgroup = MemoryCgroup.Create(1024 * Mib);
        await using var leak = await HoldAsync(cgroup, "-size", "150");
        var before = cgroup.UsageBytes;
        var length = 0L;
        var peak = 0L;
        var result = await CaptureAsync(leak, Heap(CaptureVariant.HeapDump, 0), folder.File("heap.dmp.gz"), watch: file =>
        {
            length = Math.Max(length, Dumps(folder).Select(dump => new FileInfo(dump).Length).DefaultIfEmpty().Max());
            // Almost at its end, and the dump is still there.
            if (file.Length > 0)
                peak = Dumps(folder).Any() ? cgroup.UsageBytes : peak;
        });

        Assert.IsType<CaptureResult.Captured>(result);
        Assert.InRange(length, 150 * Mib, 1024 * Mib);
        Assert.InRange(peak - before, long.MinValue, length / 2);
    }

    [Fact]
    public async Task A_dump_with_heap_has_the_leaking_type_in_ClrMD_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "20");
        var result = await CaptureAsync(leak, Heap(CaptureVariant.HeapDump, 0), folder.File("heap.dmp.gz"));

        Assert.IsType<CaptureResult.Captured>(result);
        Assert.Empty(Dumps(folder));
        Readers.Unpack(folder.File("heap.dmp.gz"), folder.File("heap.dmp"));
        var orders = Readers.ObjectsIn(folder.File("heap.dmp"), Order);
        Assert.InRange(orders, 20_000, 100_000);
    }

    [Fact]
    public async Task Captures_do_not_disturb_one_another()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "10");
        var cpu = CaptureAsync(leak, new PlannedCapture(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(2)), folder.File("cpu.nettrace"));
        var heap = await CaptureAsync(leak, Heap(CaptureVariant.Snapshot, 64 * Mib), folder.File("heap.gz"));

        Assert.IsType<CaptureResult.Captured>(heap);
        Assert.IsType<CaptureResult.Captured>(await cpu);
    }

    /// <summary>A dump with heap, compressed, of a program that holds orders in a static list.</summary>
    /// <param name="dotnet">The .NET that the program runs on.</param>
    internal static async Task DumpAsync(string path, string dotnet)
    {
        Need.Part(File.Exists(DotNetLeak.Program), "eng/targets builds the sample services");
        await using var leak = await DotNetLeak.StartAsync(null, "", new Dictionary<string, string?> { ["DOTNET_ROOT"] = dotnet }, "-kind", "hold", "-size", "20");
        Assert.IsType<CaptureResult.Captured>(await CaptureAsync(leak, Heap(CaptureVariant.HeapDump, 0), path));
    }

    private static PlannedCapture Heap(CaptureVariant variant, long bufferBytes) => new(CaptureType.Heap, PlanDecisions.Chosen, null) { Variant = variant, BufferBytes = bufferBytes };

    private static Task<DotNetLeak> HoldAsync(params string[] flags) => HoldAsync(null, flags);

    private static Task<DotNetLeak> HoldAsync(MemoryCgroup? cgroup, params string[] flags)
    {
        Need.Part(File.Exists(DotNetLeak.Program), "eng/targets builds the sample services");
        return DotNetLeak.StartAsync(cgroup?.Path, "", null, ["-kind", "hold", .. flags]);
    }

    private static IEnumerable<string> Dumps(TemporaryFolder folder) => Directory.EnumerateFiles(folder.Path, "premortem-*.dmp");

    private static async Task<CaptureResult> CaptureAsync(DotNetLeak leak, PlannedCapture step, string path, Action<FileStream>? watch = null, DumpFolder? dumps = null, Func<long?, long?>? residentBytes = null)
    {
        var proc = new ProcFs("/proc");
        var shared = Path.GetDirectoryName(path)!;
        var pid = leak.Process.Id;
        var socket = DotNetTargetTests.PathOfSocket(proc, pid);
        await Eventually.IsTrue(() => File.Exists(socket), "the runtime's socket");
        using var source = new DotNetSource(
            new DiagnosticsClient(new SocketEndpoint(socket), TimeProvider.System),
            () => DumpFolder.Find(proc, pid, dumps ?? new DumpFolder(shared, shared)),
            () => residentBytes is null ? proc.Stat(pid)?.ResidentBytes : residentBytes(proc.Stat(pid)?.ResidentBytes),
            () => proc.Stat(pid) is { State: not ('Z' or 'X') },
            TimeProvider.System);
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var capture = source.CaptureAsync(step, file, new CaptureBounds(), CancellationToken.None);
        while (watch is not null && !capture.IsCompleted && !leak.Process.HasExited)
        {
            watch(file);
            await Task.WhenAny(capture, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System));
        }
        return await capture;
    }
}
