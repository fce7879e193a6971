using System.Globalization;
using System.IO.Compression;
using Microsoft.Diagnostics.Runtime;
using Microsoft.Diagnostics.Tracing;
using Microsoft.Diagnostics.Tracing.Etlx;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
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
        Unpack(folder.File("heap.gz"), folder.File("heap.nettrace"));
        var theirs = TypesIn(folder.File("heap.nettrace"));
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
        Unpack(folder.File("heap.gz"), folder.File("heap.nettrace"));
        Assert.Equal(TypesIn(folder.File("heap.nettrace")).Sum(row => row.Objects), partial.Types.Objects);

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
        Assert.Contains("Reprice", MethodsIn(folder.File("cpu.nettrace")));
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
    [InlineData(CaptureVariant.Snapshot)]
    [InlineData(CaptureVariant.AllocationSamples)]
    [InlineData(CaptureVariant.HeapDump)]
    public async Task A_runtime_that_is_killed_in_the_middle_ends_the_capture_as_a_death(CaptureVariant variant)
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "300", "-churn", "20");
        var step = Heap(variant, 256 * Mib) with { Duration = TimeSpan.FromSeconds(30) };
        var capture = CaptureAsync(leak, step, folder.File("artifact"), watch: file =>
        {
            // Once the first bytes are there, or the dump has begun.
            if (file.Length > 0 || Dumps(folder).Any())
                Kill(leak);
        });

        var result = await capture;
        Assert.True(result is CaptureResult.Partial { Reason: Reasons.TargetExited } or CaptureResult.Failed { Reason: Reasons.TargetExited } or CaptureResult.Captured, $"{result}");
        Assert.Empty(Dumps(folder));
    }

    [Fact]
    public async Task A_CPU_profile_of_a_runtime_that_was_killed_opens()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "1");
        var result = await CaptureAsync(leak, new PlannedCapture(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(30)), folder.File("cpu.nettrace"), watch: file =>
        {
            if (file.Length > 50_000)
                Kill(leak);
        });

        Assert.Equal(Reasons.TargetExited, Assert.IsType<CaptureResult.Partial>(result).Reason);
        using var source = new EventPipeEventSource(folder.File("cpu.nettrace"));
        var samples = 0;
        source.Dynamic.All += item => samples += item.ProviderName == EventPipeProvider.SampleProfiler ? 1 : 0;
        source.Process();
        Assert.True(samples > 100, $"{samples} samples");
    }

    [Fact]
    public async Task A_dump_with_heap_has_the_leaking_type_in_ClrMD_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        await using var leak = await HoldAsync("-size", "20");
        var result = await CaptureAsync(leak, Heap(CaptureVariant.HeapDump, 0), folder.File("heap.dmp.gz"));

        Assert.IsType<CaptureResult.Captured>(result);
        Assert.Empty(Dumps(folder));
        Unpack(folder.File("heap.dmp.gz"), folder.File("heap.dmp"));
        using var dump = DataTarget.LoadDump(folder.File("heap.dmp"));
        // What reads the memory of a runtime stands beside it; the service runs on the same as this test. A dump with heap does not hold
        // the version of the library, so that it cannot be compared.
        var access = Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libmscordaccore.so");
        var orders = dump.ClrVersions.Single().CreateRuntime(access, ignoreMismatch: true).Heap.EnumerateObjects().Count(item => item.Type?.Name == Order);
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

    private static PlannedCapture Heap(CaptureVariant variant, long bufferBytes) => new(CaptureType.Heap, PlanDecisions.Chosen, null) { Variant = variant, BufferBytes = bufferBytes };

    private static async Task<DotNetLeak> HoldAsync(params string[] flags)
    {
        Need.Part(File.Exists(DotNetLeak.Program), "eng/targets builds the sample services");
        var leak = await DotNetLeak.StartAsync(null, "", null, ["-kind", "hold", .. flags]);
        await leak.Process.WaitForLineAsync("done growing", TimeSpan.FromSeconds(60));
        return leak;
    }

    private static void Kill(DotNetLeak leak)
    {
        if (!leak.Process.HasExited)
            leak.Process.Signal(9);
    }

    private static IEnumerable<string> Dumps(TemporaryFolder folder) => Directory.EnumerateFiles(folder.Path, "premortem-*.dmp");

    private static async Task<CaptureResult> CaptureAsync(DotNetLeak leak, PlannedCapture step, string path, Action<FileStream>? watch = null)
    {
        var proc = new ProcFs("/proc");
        var shared = Path.GetDirectoryName(path)!;
        var pid = leak.Process.Id;
        var socket = await Eventually.Holds(
            () => Directory.GetFiles("/tmp", string.Create(CultureInfo.InvariantCulture, $"dotnet-diagnostic-{pid}-*-socket")).FirstOrDefault(), found => found is not null, "the runtime's socket");
        using var source = new DotNetSource(
            new DiagnosticsClient(new SocketEndpoint(socket!), TimeProvider.System),
            () => DumpFolder.Find(proc, pid, new DumpFolder(shared, shared)),
            () => proc.Stat(pid)?.ResidentBytes,
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

    private static void Unpack(string from, string to)
    {
        using var gzip = new GZipStream(File.OpenRead(from), CompressionMode.Decompress);
        using var file = File.Create(to);
        gzip.CopyTo(file);
    }

    private static List<TypeRow> TypesIn(string nettrace)
    {
        var sums = new Dictionary<ulong, (long Objects, long Bytes)>();
        var names = new Dictionary<ulong, string>();
        using var source = new EventPipeEventSource(nettrace);
        source.Clr.TypeBulkType += item =>
        {
            for (var i = 0; i < item.Count; i++)
                names[item.Values(i).TypeID] = item.Values(i).TypeName;
        };
        source.Clr.GCBulkNode += item =>
        {
            for (var i = 0; i < item.Count; i++)
            {
                var node = item.Values(i);
                var (objects, bytes) = sums.GetValueOrDefault(node.TypeID);
                sums[node.TypeID] = (objects + 1, bytes + (long)node.Size);
            }
        };
        source.Process();
        return [.. sums
            .GroupBy(sum => names.TryGetValue(sum.Key, out var name) && name.Length > 0 ? name : "(unnamed)")
            .Select(group => new TypeRow(group.Key, group.Sum(sum => sum.Value.Objects), group.Sum(sum => sum.Value.Bytes)))
            .OrderBy(row => row.Name, StringComparer.Ordinal)];
    }

    private static HashSet<string> MethodsIn(string nettrace)
    {
        var etlx = TraceLog.CreateFromEventPipeDataFile(nettrace);
        using var log = TraceLog.OpenOrConvert(etlx);
        var methods = new HashSet<string>();
        foreach (var item in log.Events.Where(item => item.ProviderName == EventPipeProvider.SampleProfiler))
            for (var stack = item.CallStack(); stack is not null; stack = stack.Caller)
                if (stack.CodeAddress.FullMethodName is { Length: > 0 } name)
                    methods.Add(name.Split('(')[0].Split('.')[^1]);
        return methods;
    }
}
