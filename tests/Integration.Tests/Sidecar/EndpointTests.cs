using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Where profiles come from, and what is captured where none can be had.</summary>
public sealed class EndpointTests
{
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    [Theory]
    [InlineData("https://127.0.0.1", "-tls")]
    [InlineData("http://[::1]", "-addr", "[::1]:0")]
    [InlineData("http://", "-addr", ":0")]
    public async Task The_profiles_are_found_by_themselves(string where, params string[] flags)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20", .. flags]);
        using var ground = new SidecarGround(Never);
        var (capture, endpoint) = await RequestedAsync(ground, target.Process.Id, isReady: true);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.StartsWith(where, endpoint);
    }

    [Fact]
    public async Task A_stripped_program_is_recognised()
    {
        using var folder = new TemporaryFolder();
        var stripped = folder.File("service");
        var (exitCode, output) = await ChildProcess.RunAsync("strip", ["-o", stripped, GoLeak.Program]);
        Need.Part(exitCode == 0, $"strip: {output}");
        await using var target = await GoLeak.StartAsync(program: stripped, flags: ["-mode", "hold", "-size", "20"]);
        using var ground = new SidecarGround(Never);
        var (capture, _) = await RequestedAsync(ground, target.Process.Id, isReady: true);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.StartsWith("go1.", capture.Record.Target.Runtime?.Version);
        Assert.Equal("service", capture.Record.Target.Container);
    }

    [Fact]
    public async Task A_port_and_a_path_that_the_policy_names_are_used_for_any_program()
    {
        var heap = PprofEncoder.Gzip(PprofEncoder.Heap().ToArray());
        await using var server = StubServer.Start(path => path.StartsWith("/internal/prof/heap", StringComparison.Ordinal) ? (200, "", heap) : (404, "", []));
        await using var target = ChildProcess.Start("sleep", ["60"]);
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}]", go: $"{{port: {server.Address.Port}, path: /internal/prof}}");
        var (capture, endpoint) = await RequestedAsync(ground, target.Id, isReady: true);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.Equal(heap, await File.ReadAllBytesAsync(capture.PathOf("heap.pb.gz")));
        Assert.EndsWith("/internal/prof/", endpoint);
    }

    [Fact]
    public async Task A_Go_program_without_pprof_gets_a_partial_capture_with_the_reason()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        // Its port answers, but not under this path.
        using var ground = new SidecarGround(Never, go: "{path: /nothing/here}");
        var (capture, _) = await RequestedAsync(ground, target.Process.Id, isReady: false);
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.Equal(["MemoryTimeline", "Process", "Report"], capture.Record.Artifacts.Where(artifact => artifact.IsComplete).Select(artifact => artifact.Type).Order());
        Assert.Contains(capture.Record.Plan, step => step.Type.ToString() == "Heap" && step.Reason == Reasons.EndpointNotFound);
    }

    [Fact]
    public async Task Any_other_program_gets_a_partial_capture_with_the_reason()
    {
        await using var target = ChildProcess.Start("sleep", ["60"]);
        using var ground = new SidecarGround(Never);
        var (capture, _) = await RequestedAsync(ground, target.Id, isReady: false);
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.Contains(capture.Record.Plan, step => step.Type.ToString() == "Heap" && step.Reason == Reasons.NotSupportedByRuntime);
        Assert.True(capture.Artifact("Process").IsComplete);
        Assert.Null(capture.Record.Target.Runtime);
    }

    /// <summary>One capture on request of a running process, and where its profiles were found.</summary>
    private static async Task<(StoredCapture Capture, string Endpoint)> RequestedAsync(SidecarGround ground, int pid, bool isReady)
    {
        await using var sidecar = SidecarProcess.OnProcess(ground, pid);
        var endpoint = isReady ? (await sidecar.ReadyAsync())["Endpoint"] : (await sidecar.WaitForAsync(203))["Reason"];
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(400, line => line["Trigger"] == "requested");
        Assert.Equal(0, await sidecar.StopAsync());
        return (await ground.StoredAsync(record => record.Trigger.Name == "requested"), endpoint);
    }
}
