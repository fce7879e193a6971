using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Whatever the target does, the sidecar goes on, and says why something is not there.</summary>
public sealed class TargetFaultTests
{
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    /// <summary>A profile whose last string is longer than will ever come.</summary>
    private static readonly byte[] s_endlessString = [.. PprofEncoder.Heap().ToArray(), 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];

    public static TheoryData<string, string> Answers => new()
    {
        { "404", Reasons.EndpointNotFound },
        { "500", Reasons.EndpointRefused },
        { "garbage", Reasons.InvalidContent },
        { "not gzip", Reasons.InvalidContent },
        { "half", Reasons.InvalidContent },
        { "endless", Reasons.TooLarge },
        { "bomb", Reasons.TooLarge },
        { "silent", Reasons.TargetNotResponding },
        { "reset", Reasons.TargetNotResponding },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task A_bad_answer_is_a_reason_and_the_rest_is_captured(string answer, string reason)
    {
        var profile = PprofEncoder.Heap().ToGzip();
        var isSpoiled = false;
        await using var server = StubServer.Start(async (path, stream, ct) =>
        {
            // The first request for the heap is the search for the endpoint.
            if (!path.EndsWith("/heap", StringComparison.Ordinal) || !Volatile.Read(ref isSpoiled))
                await stream.WriteAsync(Ok(profile), ct);
            else
                await AnswerAsync(answer, profile, stream, ct);
        });
        await using var target = ChildProcess.Start("sleep", ["60"]);
        using var ground = new SidecarGround(
            Never, "[{type: Heap}, {type: Goroutine}, {type: Process}]", limits: "{spool: 2Mi}", go: $"{{port: {server.Address.Port}}}");
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Id);
        await sidecar.ReadyAsync();
        Volatile.Write(ref isSpoiled, true);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        Assert.Equal(0, await sidecar.StopAsync());

        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.Equal(reason, capture.Artifact("Heap").Reason);
        Assert.NotEmpty(capture.Artifact("Heap").Error!);
        Assert.True(capture.Artifact("Goroutine").IsComplete, capture.Artifact("Goroutine").Error);
    }

    [Fact]
    public async Task A_slow_answer_is_waited_for_while_it_comes()
    {
        var profile = PprofEncoder.Heap().ToGzip();
        var isSlow = false;
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync(Ok(Volatile.Read(ref isSlow) ? profile.AsSpan(0, 10) : profile), ct);
            if (!Volatile.Read(ref isSlow))
                return;
            foreach (var one in profile.AsMemory(10).ToArray())
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, ct);
                await stream.WriteAsync(new[] { one }, ct);
            }
        });
        await using var target = ChildProcess.Start("sleep", ["60"]);
        using var ground = new SidecarGround(Never, "[{type: Heap}]", go: $"{{port: {server.Address.Port}}}");
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Id);
        await sidecar.ReadyAsync();
        Volatile.Write(ref isSlow, true);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500);
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(profile, await File.ReadAllBytesAsync(capture.PathOf("heap.pb.gz")));
    }

    [Theory]
    [InlineData(CaptureType.Heap)]
    [InlineData(CaptureType.Allocs)]
    [InlineData(CaptureType.Goroutine)]
    [InlineData(CaptureType.ThreadCreate)]
    [InlineData(CaptureType.Block)]
    [InlineData(CaptureType.Mutex)]
    [InlineData(CaptureType.Cpu)]
    [InlineData(CaptureType.Trace)]
    public async Task A_target_that_dies_in_the_middle_of_a_capture_is_a_reason(CaptureType type)
    {
        // The half of an answer, and then the end of the process that it is about, as a kill has it.
        var asked = new TaskCompletionSource();
        await using var target = ChildProcess.Start("sleep", ["60"]);
        var profile = PprofEncoder.Heap().ToGzip();
        var isArmed = false;
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            var isTheOne = Volatile.Read(ref isArmed);
            byte[] body = type == CaptureType.Trace && isTheOne ? [.. "go 1.19 trace\0\0\0"u8] : profile;
            if (!isTheOne)
            {
                await stream.WriteAsync(Ok(body), ct);
                return;
            }
            // In chunks, as Go sends what it has not finished: without the last one, nobody can take it for the whole.
            var half = body.AsMemory(0, body.Length / 2).ToArray();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nX-Go-Pprof: 1\r\nTransfer-Encoding: chunked\r\n\r\n{half.Length:x}\r\n"), ct);
            await stream.WriteAsync(half, ct);
            await stream.WriteAsync("\r\n"u8.ToArray(), ct);
            target.Signal(SidecarProcess.SigKill);
            asked.TrySetResult();
        });
        var duration = CaptureRequest.TakesTime(type) ? ", duration: 5s" : "";
        using var ground = new SidecarGround(Never, $"[{{type: {type}{duration}}}]", go: $"{{port: {server.Address.Port}}}");
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Id);
        await sidecar.ReadyAsync();
        Volatile.Write(ref isArmed, true);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(0, await sidecar.ExitAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Failed, capture.Record.Phase);
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.Equal(Reasons.TargetExited, capture.Artifact(type.ToString()).Reason);
        Assert.True(capture.Artifact("MemoryTimeline").IsComplete);
    }

    [Fact]
    public async Task A_frozen_target_is_a_reason_and_is_captured_when_it_runs_again()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        target.Process.Signal(SidecarProcess.SigStop);
        var clock = Stopwatch.StartNew();
        sidecar.Signal(SidecarProcess.SigUsr1);
        var missed = await sidecar.WaitForAsync(501);
        Assert.Equal(Reasons.TargetNotResponding, missed["Reason"]);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(15));
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");

        target.Process.Signal(SidecarProcess.SigCont);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        await Eventually.IsTrue(() => sidecar.Events(500).Count == 3, "the second capture");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal(2, ground.Captures.Count);
        Assert.Equal([CapturePhase.Partial, CapturePhase.Completed], ground.Captures.Select(capture => capture.AssertWhole().Record.Phase));
    }

    private static byte[] Ok(ReadOnlySpan<byte> body) => [.. "HTTP/1.1 200 OK\r\nX-Go-Pprof: 1\r\nConnection: close\r\n\r\n"u8, .. body];

    private static async Task AnswerAsync(string answer, byte[] profile, Stream stream, CancellationToken ct)
    {
        static byte[] Bytes(string text) => Encoding.ASCII.GetBytes(text);
        switch (answer)
        {
            case "404" or "500":
                await stream.WriteAsync(Bytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {answer} Status\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry")), ct);
                break;
            case "garbage":
                await stream.WriteAsync(Bytes("SSH-2.0-OpenSSH_9.2\r\n"), ct);
                break;
            case "not gzip":
                await stream.WriteAsync(Ok("<html>hello</html>"u8), ct);
                break;
            case "half":
                await stream.WriteAsync(Ok(profile.AsSpan(0, profile.Length / 2)), ct);
                break;
            case "endless":
                await stream.WriteAsync(Ok(s_endlessString), ct);
                while (true)
                    await stream.WriteAsync(new byte[64 * 1024], ct);
            case "bomb":
                await stream.WriteAsync(Ok([]), ct);
                await using (var gzip = new GZipStream(stream, CompressionLevel.SmallestSize, leaveOpen: true))
                {
                    await gzip.WriteAsync(s_endlessString, ct);
                    var zeros = new byte[1 << 20];
                    for (var i = 0; i < 1100; i++)
                        await gzip.WriteAsync(zeros, ct);
                }
                break;
            case "silent":
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
                break;
            case "reset":
                break;
        }
    }
}
