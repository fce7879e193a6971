using System.Globalization;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Nothing that is captured of a .NET program kills it, however little is left of its container.</summary>
[Collection(nameof(WholeMachine))]
public sealed class DotNetNearLimitTests
{
    private const long MiB = 1 << 20;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";
    private const string Recordings = "{type: Cpu, duration: 1s}, {type: GcTrace, duration: 1s}, {type: Process}";

    // More than the whole container: it is the kernel's limit that is met.
    // What it makes of garbage itself, it collects itself, and a collection so near the limit may be what kills it: it makes none (-report 0), and the
    // youngest generation, which goes by the processor's cache, is smaller than what is left.
    private static readonly Dictionary<string, string?> s_heapMayFillAll = new() { ["DOTNET_GCHeapHardLimitPercent"] = "0x5F", ["DOTNET_GCgen0MaxBudget"] = "0x100000" };

    [Theory]
    [InlineData(92)]
    [InlineData(97)]
    public async Task No_capture_kills_a_target_at_its_limit(int percent)
    {
        using var cgroup = MemoryCgroup.Create(512 * MiB);
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, environment: s_heapMayFillAll, flags: ["-kind", "hold", "-size", "350", "-report", "0"]);
        var plans = new List<PlannedCapture>();
        foreach (var captures in (string[])[
            $"[{{type: Heap}}, {Recordings}]",
            $"[{{type: Heap}}, {{type: Dump, dumpType: Heap}}, {Recordings}]",
            "[{type: Dump, dumpType: Triage}, {type: Process}]",
            "[{type: Dump, dumpType: Full}, {type: Process}]"])
        {
            // The container shrinks to what the target has, and a little.
            cgroup.SetLimit(cgroup.WorkingSetBytes * 100 / percent);
            using var ground = new SidecarGround(Never, captures, limits: "{spool: 2Gi}");
            await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
            await sidecar.ReadyDotNetAsync();
            sidecar.Signal(SidecarProcess.SigUsr1);
            var plan = (await sidecar.WaitForAsync(503, timeout: TimeSpan.FromSeconds(60)))["Plan"];
            var last = ((string[])["GcTrace", "Cpu", "Dump", "Process"]).First(type => captures.Contains(type, StringComparison.Ordinal) && !plan.Contains("no " + type, StringComparison.Ordinal));
            // What no longer fits when its turn comes is skipped without a word in the log.
            var start = TimeProvider.System.GetTimestamp();
            await Eventually.IsTrue(
                () => sidecar.Log.Any(line => line.EventId is 500 or 501 && line["Type"] == last) || TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(20), $"{last} of {plan}", TimeSpan.FromSeconds(60));
            Assert.Equal(0, await sidecar.StopAsync());
            var record = (await ground.StoredAsync()).Record;
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{percent} %: {plan}; {string.Join("; ", record.Artifacts.Select(artifact => $"{artifact.Type} {artifact.Bytes >> 10} KiB, rose by {artifact.RiseBytes >> 10} KiB {artifact.Error}"))}"));

            Assert.Equal(0, cgroup.OomKills);
            Assert.False(target.Process.HasExited);
            Assert.InRange(record.Memory.WorkingSetBytes / (double)record.Memory.LimitBytes!.Value, (percent - 5) / 100.0, 1);
            // Everything that was asked for is there, or there is a reason with its figures.
            Assert.All(record.Artifacts, artifact => Assert.True(artifact.IsComplete, $"{artifact.Type}: {artifact.Error}"));
            Assert.All(record.Plan.Where(step => step.Decision != PlanDecisions.Chosen), step => Assert.NotEmpty(step.Detail ?? ""));
            plans.AddRange(record.Plan);
        }
        var variants = plans.Where(step => step.Decision != PlanDecisions.Skipped).Select(step => step.Variant).ToHashSet();
        // A dump takes little of the target, but not next to nothing.
        Assert.Equal(percent < 95, variants.Contains(CaptureVariant.HeapDump));
        if (percent > 95)
            Assert.Empty(variants.Intersect([CaptureVariant.TriageDump, CaptureVariant.WithHeapDump, CaptureVariant.FullDump]));
        // Before it walks the heap the runtime collects, and that alone takes more than may be taken at 97 %.
        Assert.Equal(percent < 95, variants.Contains(CaptureVariant.PartialSnapshot));
        Assert.DoesNotContain(CaptureVariant.Snapshot, variants);
    }
}
