using System.Globalization;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The sidecar stays small in a small container, whatever it carries, and asks for less CPU time where it gets less.</summary>
[Collection(nameof(WholeMachine))]
public sealed class FootprintTests
{
    private const long MiB = 1 << 20;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    [Theory]
    [InlineData(48, 200)]
    [InlineData(32, 200)]
    [InlineData(512, 200)]
    public async Task A_large_capture_goes_through_a_small_container(int limitMebibytes, int profileMebibytes)
    {
        var isLarge = false;
        await using var server = StubServer.Start((path, stream, ct) => ServeAsync(Volatile.Read(ref isLarge) && path.EndsWith("/heap", StringComparison.Ordinal) ? profileMebibytes * MiB : 0, stream, ct));
        await using var target = ChildProcess.Start("sleep", ["120"]);
        using var ground = new SidecarGround(Never, "[{type: Heap}]", limits: "{spool: 1Gi}", go: $"{{port: {server.Address.Port}}}");
        using var own = MemoryCgroup.Create(limitMebibytes * MiB);
        await using var sidecar = SidecarProcess.Start(ground, ["--pid", target.Id.ToString(CultureInfo.InvariantCulture)], own.Path);
        await sidecar.ReadyAsync();
        Volatile.Write(ref isLarge, true);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, timeout: TimeSpan.FromSeconds(120));
        await target.DisposeAsync();
        var capture = await ground.StoredAsync(timeout: TimeSpan.FromSeconds(120));
        Assert.Equal(0, await sidecar.ExitAsync());

        var heap = capture.Artifact(nameof(CaptureType.Heap));
        Assert.True(heap.IsComplete, heap.Error);
        Assert.InRange(heap.Bytes, profileMebibytes * MiB, (profileMebibytes + 1) * MiB);
        Assert.Equal(0, own.OomKills);
        // However much it may have: what it writes and reads is not left in the page cache, which counts as its memory.
        Assert.InRange(own.PeakBytes, 1, 48 * MiB);
    }

    [Fact]
    public async Task With_too_little_CPU_time_it_says_so_and_goes_on()
    {
        using var own = CpuCgroup.Create(quotaMicroseconds: 1000, periodMicroseconds: 100_000);
        using var ground = new SidecarGround(Never, "[{type: Heap}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.Start(ground, ["--pid", target.Process.Id.ToString(CultureInfo.InvariantCulture)], own.Path);
        await sidecar.WaitForAsync(120, timeout: TimeSpan.FromSeconds(60));
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, timeout: TimeSpan.FromSeconds(60));
        own.Lift();
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal(CapturePhase.Completed, (await ground.StoredAsync()).Record.Phase);
        Assert.Single(sidecar.Events(120));
    }

    /// <summary>A valid profile; with a length bare, one sample after the other.</summary>
    private static async Task ServeAsync(long length, Stream stream, CancellationToken ct)
    {
        var encoder = PprofEncoder.Heap();
        var location = encoder.At("main.leak");
        byte[] sample = PprofEncoder.Field(2, [.. PprofEncoder.Number(1, (long)location), .. PprofEncoder.Number(2, 1), .. PprofEncoder.Number(2, 64)]);
        // By a gzip header it is known for what it is.
        var profile = length == 0 ? encoder.ToGzip() : encoder.ToArray();
        byte[] samples = [.. Enumerable.Repeat(sample, (int)(MiB / sample.Length)).SelectMany(bytes => bytes)];
        var pieces = (length + samples.Length - 1) / samples.Length;
        var header = string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Length: {profile.Length + (pieces * samples.Length)}\r\nX-Go-Pprof: 1\r\nConnection: close\r\n\r\n");
        await stream.WriteAsync(Encoding.Latin1.GetBytes(header), ct);
        await stream.WriteAsync(profile, ct);
        for (var i = 0L; i < pieces; i++)
            await stream.WriteAsync(samples, ct);
    }
}
