using System.Diagnostics;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

public sealed class PprofClientTests : IDisposable
{
    private const int Kill = 9;
    private const int Stop = 19;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<CaptureType> Types =>
        [CaptureType.Heap, CaptureType.Allocs, CaptureType.Goroutine, CaptureType.Cpu, CaptureType.ThreadCreate, CaptureType.Block, CaptureType.Mutex, CaptureType.Trace];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Every_profile_of_a_Go_program_is_captured_and_read_by_Gos_own_tools(CaptureType type)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "20", "-rate", "400", "-goroutines", "50"]);
        using var client = Client(target);
        var file = _folder.File("artifact");
        await using (var destination = File.Create(file))
        {
            var captured = Assert.IsType<CaptureResult.Captured>(await client.CaptureAsync(type, TimeSpan.FromSeconds(1.2), destination, new CaptureBounds(), default));
            Assert.Equal(destination.Length, captured.Bytes);
            Assert.Equal(type switch { CaptureType.Cpu => 1, CaptureType.Trace => 1.2, _ => null }, captured.Duration?.TotalSeconds);
        }
        var go = Go();
        var (exit, output) = type == CaptureType.Trace
            ? await ChildProcess.RunAsync(go, ["tool", "trace", "-pprof=sched", file])
            : await ChildProcess.RunAsync(go, ["tool", "pprof", "-raw", file]);
        Assert.True(exit == 0 && !output.Contains("failed", StringComparison.OrdinalIgnoreCase), output);
        Assert.True(type == CaptureType.Trace || output.Contains("Samples:", StringComparison.Ordinal), output);
    }

    [Fact]
    public async Task It_captures_over_TLS_whoever_signed_the_certificate()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-tls", "-size", "1"]);
        using var client = Client(target);
        Assert.IsType<CaptureResult.Captured>(await client.CaptureAsync(CaptureType.Heap, null, Stream.Null, new CaptureBounds(), default));
    }

    [Fact]
    public async Task A_heap_is_captured_while_a_CPU_profile_is_under_way()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        using var client = Client(target);
        var cpu = client.CaptureAsync(CaptureType.Cpu, TimeSpan.FromSeconds(2), Stream.Null, new CaptureBounds(), default);
        Assert.IsType<CaptureResult.Captured>(await client.CaptureAsync(CaptureType.Heap, null, Stream.Null, new CaptureBounds(), default));
        Assert.False(cpu.IsCompleted);
        var second = Assert.IsType<CaptureResult.Failed>(await client.CaptureAsync(CaptureType.Cpu, TimeSpan.FromSeconds(1), Stream.Null, new CaptureBounds(), default));
        Assert.Equal(Reasons.EndpointRefused, second.Reason);
        Assert.Contains("cpu profiling already in use", second.Detail, StringComparison.Ordinal);
        Assert.IsType<CaptureResult.Captured>(await cpu);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public async Task A_target_that_dies_in_the_middle_of_a_capture_is_told_so(CaptureType type)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        using var client = Client(target);
        Assert.True(await client.WarmAsync(default));
        // Frozen, it cannot answer before it is killed.
        if (type is not (CaptureType.Cpu or CaptureType.Trace))
            await FreezeAsync(target);
        var capture = client.CaptureAsync(type, TimeSpan.FromSeconds(30), Stream.Null, new CaptureBounds(), default);
        await Task.WhenAny(capture, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System));
        Assert.False(capture.IsCompleted);
        target.Process.Signal(Kill);
        var clock = Stopwatch.StartNew();
        Assert.Equal(Reasons.TargetExited, Assert.IsType<CaptureResult.Failed>(await capture).Reason);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_frozen_target_is_told_as_not_responding()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        using var client = Client(target);
        Assert.True(await client.WarmAsync(default));
        await FreezeAsync(target);
        var bounds = new CaptureBounds { Stall = TimeSpan.FromMilliseconds(300), Allowance = TimeSpan.FromSeconds(1) };
        foreach (var type in new[] { CaptureType.Heap, CaptureType.Cpu })
            Assert.Equal(Reasons.TargetNotResponding, Assert.IsType<CaptureResult.Failed>(await client.CaptureAsync(type, TimeSpan.FromSeconds(1), Stream.Null, bounds, default)).Reason);
    }

    [Fact]
    public async Task A_target_that_is_gone_is_not_warm()
    {
        var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        using var client = Client(target);
        await target.DisposeAsync();
        Assert.False(await client.WarmAsync(default));
    }

    internal static PprofClient Client(GoLeak target) => new(new Uri(target.Pprof, "debug/pprof/"), () => !target.Process.HasExited, TimeProvider.System);

    /// <summary>Stops it, and waits until every thread stands: the signal alone returns before.</summary>
    private static Task FreezeAsync(GoLeak target)
    {
        target.Process.Signal(Stop);
        return Eventually.IsTrue(
            () => Directory.EnumerateDirectories($"/proc/{target.Process.Id}/task").All(thread => File.ReadAllText(Path.Combine(thread, "stat")).Split(')')[^1].StartsWith(" T", StringComparison.Ordinal)),
            "all threads stopped");
    }

    private static string Go()
    {
        var go = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "go")).FirstOrDefault(File.Exists);
        Need.Part(go is not null, "the Go toolchain is missing: apt-get install golang");
        return go!;
    }
}
