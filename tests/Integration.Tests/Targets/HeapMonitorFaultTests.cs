using Premortem.Sidecar.Diagnostics;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

public sealed class HeapMonitorFaultTests
{
    [Fact]
    public async Task A_stream_that_floods_is_read_no_faster_than_a_runtime_can_fill_its_buffer()
    {
        var sent = 0L;
        var head = NettraceEncoder.Start().Event(1, NettraceEncoder.GCStart(1)).Flush().ToArray()[..^1];
        await using var runtime = StubRuntime.Streaming(head, async (stream, ct) =>
        {
            for (var at = head.Length; ;)
            {
                var next = Aligned(at);
                await stream.WriteAsync(next, ct);
                at += next.Length;
                Volatile.Write(ref sent, at);
            }
        });
        using var client = new DiagnosticsClient(new SocketEndpoint(runtime.Path), TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var start = TimeProvider.System.GetTimestamp();
        var watching = new HeapMonitor(client, TimeProvider.System).RunAsync(new TaskCompletionSource().Task, stop.Token);
        await Eventually.Holds(() => Volatile.Read(ref sent), bytes => bytes > 16 << 20, "sixteen megabytes", TimeSpan.FromSeconds(60));
        var elapsed = TimeProvider.System.GetElapsedTime(start);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);

        // A megabyte each tenth of a second; unhindered it is a few hundredths for all.
        Assert.True(elapsed > TimeSpan.FromSeconds(1), $"16 MiB were read in {elapsed}");
    }

    /// <summary>A block that stands at any place of the stream: its content is aligned there.</summary>
    private static byte[] Aligned(int at)
    {
        var whole = new NettraceEncoder().Raw(new byte[at % 4]).Block("OtherBlock", new byte[64 * 1024]).ToArray();
        return whole[(at % 4)..^1];
    }
}
