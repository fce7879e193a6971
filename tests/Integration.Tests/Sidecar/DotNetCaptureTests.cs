using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Integration.Tests.Captures;
using Premortem.Profiles.Heaps;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>.NET programs from the trigger to the store, through the native program, read back with readers that are not ours.</summary>
[Collection(nameof(WholeMachine))]
public sealed class DotNetCaptureTests
{
    private const long MiB = 1 << 20;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";
    private const string Orders = "Shop.Orders.Order";

    [Fact]
    public async Task A_managed_leak_is_brought_home_with_the_types_that_leak_and_the_hot_spot()
    {
        using var ground = new SidecarGround("[{name: early, memoryUsage: {threshold: 25%}}]", "[{type: Heap}, {type: Cpu, duration: 2s}, {type: Process}]");
        using var cgroup = MemoryCgroup.Create(512 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-rate", "60", "-delay", "2s"]);
        await leak.Process.WaitForExitAsync();
        var exitedAt = TimeProvider.System.GetUtcNow();
        var capture = await ground.StoredAsync(record => record.Trigger.Name == "early");
        Assert.Equal(0, await sidecar.StopAsync());

        Assert.Equal(0, cgroup.OomKills);
        Assert.All(capture.Record.Artifacts, artifact => Assert.True(artifact.IsComplete, $"{artifact.Type}: {artifact.Error}"));
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        var heap = capture.Artifact("Heap");
        Assert.Equal(CaptureVariant.Snapshot, capture.Record.Plan.Single(step => step.Type == CaptureType.Heap).Variant);
        Assert.True(heap.CompletedAt < (capture.Record.DiedAt ?? exitedAt));
        var types = Readers.TypesIn(Readers.Unpack(capture.PathOf(heap.Key), ground.File("heap.nettrace")));
        var largest = types.OrderByDescending(row => row.Bytes).Take(5).Select(row => row.Name).ToList();
        Assert.Contains("Shop.Orders.OrderLine", largest);
        Assert.Equal(largest[0], capture.Record.Top[0].Name);
        var orders = types.Single(row => row.Name == Orders).Objects;
        Assert.Equal(orders, Table(capture).Rows.Single(row => row.Name == Orders).Objects);
        Assert.Contains("Reprice", Readers.MethodsIn(capture.PathOf(capture.Artifact("Cpu").Key)));
    }

    [Fact]
    public async Task A_native_leak_is_brought_home_before_the_kernel_kills_it()
    {
        using var ground = new SidecarGround("[{name: early, memoryUsage: {threshold: 50%}}]", "[{type: Heap}, {type: Cpu, duration: 1s}, {type: Process}]");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "native", "-rate", "45", "-delay", "2s"]);
        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());
        var capture = await ground.StoredAsync(record => record.Trigger.Name == "early");
        Assert.Equal(0, await sidecar.StopAsync());

        Assert.Equal((CaptureOutcome.OOMKilled, CapturePhase.Completed), (capture.Record.Outcome, capture.Record.Phase));
        Assert.All(capture.Record.Artifacts, artifact => Assert.True(artifact.IsComplete, artifact.Error));
        Assert.Contains("Reprice", Readers.MethodsIn(capture.PathOf(capture.Artifact("Cpu").Key)));
        // The heap is small: it is not what leaks.
        Assert.InRange(Table(capture).Bytes, 1, 8 * MiB);
    }

    [Fact]
    public async Task One_port_serves_the_runtimes_of_a_pod()
    {
        using var ground = new SidecarGround("[{name: big, memoryUsage: {threshold: 70Mi}}]", "[{type: Heap}, {type: Cpu, duration: 1s}]", limits: "{cooldown: 10m}");
        using var api = MemoryCgroup.Create(512 * MiB);
        using var worker = MemoryCgroup.Create(384 * MiB);
        using var own = MemoryCgroup.Create(null);
        var port = ground.File("port");
        const string pod = """
            export DOTNET_DiagnosticPorts="$8,connect,nosuspend" TMPDIR=/nowhere
            in_cgroup() { (echo 0 > "$1/cgroup.procs"; shift; exec "$@"); }
            in_cgroup "$3" env -u DOTNET_DiagnosticPorts -u TMPDIR "$5" run --policy "$6" --spool "$7" --pod --diagnostic-port "$8" &
            in_cgroup "$1" env PREMORTEM_CONTAINER=api "$4" -rate 30 -size 90 -delay 4s &
            in_cgroup "$2" env PREMORTEM_CONTAINER=worker "$4" -rate 30 -size 90 -delay 4s -shape strings &
            wait
            """;
        await using var sidecar = SidecarProcess.From(ChildProcess.Start(
            "unshare",
            ["--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child", "/bin/sh", "-c", SidecarProcess.OwnProc + pod, "pod", api.Path, worker.Path, own.Path, DotNetLeak.Program, SidecarProcess.Program, ground.Policy, ground.Spool, port]));

        foreach (var container in (string[])["api", "worker"])
        {
            Assert.Contains(port, (await sidecar.WaitForAsync(206, line => line["Container"] == container))["Endpoint"], StringComparison.Ordinal);
            await sidecar.WaitForAsync(500, line => line["Container"] == container && line["Type"] == "Cpu", TimeSpan.FromSeconds(60));
        }
        // It does not wait for the ends of its targets when it is asked to end.
        Assert.Equal(0, (await ChildProcess.RunAsync("kill", [(await File.ReadAllLinesAsync(Path.Combine(own.Path, "cgroup.procs")))[0]])).ExitCode);
        foreach (var (container, type) in ((string, string)[])[("api", Orders), ("worker", "System.String")])
        {
            var capture = await ground.StoredAsync(record => record.Target.Container == container);
            Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
            var rows = Readers.TypesIn(Readers.Unpack(capture.PathOf(capture.Artifact("Heap").Key), ground.File(container)));
            Assert.InRange(rows.Where(row => row.Name == type).Sum(row => row.Bytes), container == "api" ? MiB : 20 * MiB, 100 * MiB);
            Assert.Contains("Reprice", Readers.MethodsIn(capture.PathOf(capture.Artifact("Cpu").Key)));
        }
    }

    [Fact]
    public async Task Without_diagnostics_the_reason_is_said_and_the_rest_is_stored()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 1s}, {type: Process}]");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, environment: new Dictionary<string, string?> { ["DOTNET_EnableDiagnostics"] = "0" }, flags: ["-kind", "none"]);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        var missing = await sidecar.WaitForAsync(203);
        Assert.Equal(Reasons.DiagnosticsDisabled, missing["Reason"]);
        Assert.Contains("DOTNET_EnableDiagnostics=0", missing["Detail"], StringComparison.Ordinal);
        var record = (await CaptureAsync(ground, sidecar)).Record;

        Assert.Equal(CapturePhase.Partial, record.Phase);
        Assert.Equal(("DotNet", "0"), (record.Target.Runtime?.Kind.ToString(), cgroup.OomKills.ToString(CultureInfo.InvariantCulture)));
        Assert.All(
            record.Plan.Where(step => step.Type != CaptureType.Process),
            step => Assert.Equal((PlanDecisions.Skipped, Reasons.DiagnosticsDisabled), (step.Decision, step.Reason)));
        Assert.Superset(new HashSet<string> { "Process", "MemoryTimeline" }, record.Artifacts.Where(artifact => artifact.IsComplete).Select(artifact => artifact.Type).ToHashSet());
    }

    [Fact]
    public async Task Without_createdump_there_is_no_dump_and_the_rest_goes_on()
    {
        using var ground = new SidecarGround(Never, "[{type: Dump, dumpType: Triage}, {type: Heap}, {type: GcTrace, duration: 1s}, {type: Process}]");
        using var cgroup = MemoryCgroup.Create(512 * MiB);
        var root = CopyRuntime(ground.File("dotnet"));
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, environment: new Dictionary<string, string?> { ["DOTNET_ROOT"] = root }, flags: ["-kind", "none", "-churn", "20"]);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await sidecar.ReadyDotNetAsync();
        var capture = await CaptureAsync(ground, sidecar, "GcTrace");

        var dump = capture.Record.Plan.Single(step => step.Type == CaptureType.Dump);
        Assert.Equal((PlanDecisions.Skipped, Reasons.NotSupportedByRuntime), (dump.Decision, dump.Reason));
        Assert.Contains($"no createdump in {root}", dump.Detail, StringComparison.Ordinal);
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
        Assert.True(Readers.EventsIn(capture.PathOf(capture.Artifact("GcTrace").Key)) > 10);
    }

    [Fact]
    public async Task A_runtime_that_stands_still_is_watched_and_captured_when_it_goes_on()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}]", limits: "{cooldown: 0s}");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "none"]);
        // Its socket takes connections, and nobody answers.
        target.Process.Signal(SidecarProcess.SigStop);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        var missing = await sidecar.WaitForAsync(203);
        Assert.Equal(Reasons.TimedOut, missing["Reason"]);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        Assert.Equal("Process, no Heap (TimedOut)", (await sidecar.WaitForAsync(503))["Plan"]);

        target.Process.Signal(SidecarProcess.SigCont);
        await sidecar.ReadyDotNetAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal([CapturePhase.Partial, CapturePhase.Completed], ground.Captures.Select(capture => capture.AssertWhole().Record.Phase));
    }

    [Fact]
    public async Task A_runtime_that_is_killed_in_a_recording_leaves_what_came_and_the_next_one_is_captured()
    {
        // The second recording is planned anew after the death, when nothing of the target can be seen any more.
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}, {type: Cpu, duration: 30s}, {type: GcTrace, duration: 30s}]");
        using var cgroup = MemoryCgroup.Create(512 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using (var first = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "hold", "-size", "20"]))
        {
            await sidecar.ReadyDotNetAsync();
            sidecar.Signal(SidecarProcess.SigUsr1);
            await Eventually.IsTrue(() => Directory.EnumerateFiles(ground.Spool, "cpu.nettrace.part", SearchOption.AllDirectories).Any(part => new FileInfo(part).Length > 20_000), "samples in the spool", TimeSpan.FromSeconds(30));
            first.Process.Signal(SidecarProcess.SigKill);
            await first.Process.WaitForExitAsync();
        }
        var capture = await ground.StoredAsync();
        Assert.True(capture.Artifact("Heap").Bytes > 0, capture.Artifact("Heap").Error);
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        var cpu = capture.Artifact("Cpu");
        Assert.Equal(Reasons.TargetExited, cpu.Reason);
        Assert.True(cpu.Bytes > 20_000);
        Assert.True(Readers.EventsIn(capture.PathOf(cpu.Key)) > 100);
        Assert.Equal(Reasons.TargetExited, capture.Artifact("GcTrace").Reason);

        await using var second = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "none"]);
        await sidecar.WaitForAsync(206, line => line["Endpoint"].Contains(string.Create(CultureInfo.InvariantCulture, $"-{second.Process.Id}-"), StringComparison.Ordinal));
        Assert.Empty(sidecar.Events(104));
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_spool_disk_that_becomes_full_fails_the_dump_and_leaves_nothing_at_the_target()
    {
        using var ground = new SidecarGround(Never, "[{type: Dump, dumpType: Heap}, {type: Process}]");
        using var disk = SmallDisk.Mount(ground.File("disk"), kibibytes: 2048);
        ground.Spool = Path.Combine(disk.Path, "spool");
        var dumps = Directory.CreateDirectory(ground.File("dumps")).FullName;
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "hold", "-size", "60"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--dump-directory", dumps);
        await sidecar.ReadyDotNetAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        Assert.Equal(Reasons.DiskFull, (await sidecar.WaitForAsync(501, line => line["Type"] == "Dump"))["Reason"]);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Empty(Directory.EnumerateFileSystemEntries(dumps));
        Assert.False(target.Process.HasExited);
        Assert.Equal(CapturePhase.Partial, (await ground.StoredAsync()).Record.Phase);
    }

    [Fact]
    public async Task A_runtime_that_does_nothing_but_collect_costs_the_sidecar_next_to_nothing()
    {
        using var ground = new SidecarGround(Never, "[{type: Process}]");
        await using var target = await DotNetLeak.StartAsync(
            environment: new Dictionary<string, string?> { ["DOTNET_GCgen0size"] = "0x10000" }, flags: ["-kind", "none", "-churn", "2000", "-spin=false", "-report", "100ms"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyDotNetAsync();
        var (cpu, collections, start) = (CpuSeconds(sidecar.Id), Collections(target), TimeProvider.System.GetTimestamp());
        await Eventually.Holds(() => TimeProvider.System.GetElapsedTime(start), elapsed => elapsed > TimeSpan.FromSeconds(6), "six seconds");
        var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        var (used, perSecond) = ((CpuSeconds(sidecar.Id) - cpu) / seconds, (Collections(target) - collections) / seconds);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{perSecond:0} collections a second: {used:P2} of a core"));
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.True(perSecond > 500, $"{perSecond:0} collections a second");
        // 1 % measured at 14 000 a second; the clock ticks in hundredths.
        Assert.InRange(used, 0, 0.03);
    }

    [Fact]
    public async Task Ten_million_objects_go_through_a_small_sidecar()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Dump, dumpType: Heap}]", limits: "{spool: 1Gi}");
        var dumps = Directory.CreateDirectory(ground.File("dumps")).FullName;
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "hold", "-size", "460", "-spin=false"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--dump-directory", dumps);
        await sidecar.ReadyDotNetAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Dump", TimeSpan.FromSeconds(180));
        var peak = Status(sidecar.Id, "VmHWM:");
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        var table = Table(capture);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{table.Objects} objects, peak of the sidecar {peak >> 10} KiB; {string.Join("; ", capture.Record.Artifacts.Select(artifact => $"{artifact.Type} {artifact.Bytes} bytes in {(artifact.CompletedAt - artifact.StartedAt)?.TotalSeconds:0.0} s"))}"));
        Assert.InRange(table.Objects, 9_000_000, 12_000_000);
        Assert.False(table.IsPartial);
        Assert.Equal(4, Math.Round(table.Rows.Single(row => row.Name == "Shop.Orders.OrderLine").Objects / (double)table.Rows.Single(row => row.Name == Orders).Objects));
        Assert.InRange(peak, 1, 64 * MiB);
        Assert.Empty(Directory.EnumerateFileSystemEntries(dumps));
    }

    /// <summary>Asks for a capture that ends with <c>Process</c>, and ends the sidecar, which stores it then.</summary>
    internal static async Task<StoredCapture> CaptureAsync(SidecarGround ground, SidecarProcess sidecar, string last = "Process")
    {
        sidecar.Signal(SidecarProcess.SigUsr1);
        await Eventually.IsTrue(() => sidecar.Log.Any(line => line.EventId is 500 or 501 && line["Type"] == last), $"{last}, captured or not", TimeSpan.FromSeconds(60));
        Assert.Equal(0, await sidecar.StopAsync());
        return await ground.StoredAsync();
    }

    private static TypeTable Table(StoredCapture capture)
    {
        using var file = File.OpenRead(capture.PathOf(ArtifactKeys.Types));
        return Assert.IsType<Profiles.ProfileContent.Types>(Profiles.ProfileContent.Read(file)).Table;
    }

    /// <summary>A runtime like the test's own, without createdump.</summary>
    private static string CopyRuntime(string to)
    {
        var runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        var root = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));
        foreach (var folder in (string[])[Path.Combine(root, "host"), runtime])
            foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "createdump"))
            {
                var copy = Path.Combine(to, Path.GetRelativePath(root, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
        return to;
    }

    private static long Collections(DotNetLeak leak) =>
        leak.Process.Lines.LastOrDefault(line => line.Contains(" collections, ", StringComparison.Ordinal)) is { } line
            ? long.Parse(line[..line.IndexOf(" collections", StringComparison.Ordinal)].Split(' ')[^1], CultureInfo.InvariantCulture)
            : 0;

    private static double CpuSeconds(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        const double ticksPerSecond = 100;
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / ticksPerSecond;
    }

    private static long Status(int pid, string field) =>
        long.Parse(File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) << 10;
}
