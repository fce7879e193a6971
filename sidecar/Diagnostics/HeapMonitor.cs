using System.Buffers;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>
/// A session that is always on and costs next to nothing: one runtime's collections as they end, and a few of its counters now and then.
/// It ends with the runtime, and is begun again where it was cut. What is kept is the last word.
/// </summary>
internal sealed class HeapMonitor(DiagnosticsClient client, TimeProvider time)
{
    /// <summary>How often the runtime counts, for programs that hardly ever collect.</summary>
    internal const int CountersEverySeconds = 10;

    private const uint BufferMegabytes = 1;
    private const int ReadBytes = 16 * 1024;

    // As much as the buffer holds, as often as a runtime sends it: nothing that a runtime does waits for longer, and whoever else floods the
    // stream does not have this program work for it.
    private const long MostBytesAtOnce = 1 << 20;
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(100);
    private const uint Information = 4;
    private const ulong Gc = 0x1;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan GreetingTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestCount = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);

    private static readonly EventPipeProvider[] s_watched =
    [
        new(EventPipeProvider.Runtime, Gc, Information),
        new(HeapUseReader.Counters, 0, Information, $"EventCounterIntervalSec={CountersEverySeconds}"),
    ];

    private static readonly EventPipeProvider[] s_greeted =
    [
        // It has to be named; of its events none is asked for but those of the rundown.
        new(EventPipeProvider.Runtime, 0, 1),
        new(HeapUseReader.Counters, 0, Information, "EventCounterIntervalSec=0.2"),
    ];

    private volatile HeapState _last = HeapState.Unknown;

    /// <summary>What the runtime said last.</summary>
    public HeapState Last => _last;

    /// <summary>Asks the runtime how its garbage collector is set up and what its heap takes: a session of a few tenths of a second.</summary>
    /// <returns>Null: it did not say, or not in time.</returns>
    public async Task<HeapConfiguration?> GreetAsync(CancellationToken ct)
    {
        const int most = 1 << 20;
        using var timer = new CancellationTokenSource(GreetingTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var configuration = new HeapConfigurationReader();
        var counted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var use = new HeapUseReader(use =>
        {
            Learn(use);
            counted.TrySetResult();
        });
        try
        {
            await using var session = await client.StartSessionAsync(s_greeted, BufferMegabytes, Gc, withStacks: false, either.Token);
            var reading = ReadAsync(
                session.Stream,
                new NettraceReader((in NettraceEvent item) =>
                {
                    configuration.OnEvent(item);
                    use.OnEvent(item);
                }),
                most,
                either.Token);
            // A program may be built without counters.
            await Task.WhenAny(counted.Task, reading, Task.Delay(LongestCount, time, either.Token));
            await session.StopAsync(either.Token);
            await reading;
        }
        catch (Exception e) when (e is DiagnosticsException or ProfileFormatException or IOException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            // What is known without asking has to do.
        }
        return configuration.Configuration;
    }

    /// <summary>Until <paramref name="ended"/> completes, or <paramref name="ct"/>.</summary>
    public async Task RunAsync(Task ended, CancellationToken ct)
    {
        for (var retry = FirstRetry; !ended.IsCompleted; retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry)
        {
            var before = _last.Number;
            try
            {
                await WatchAsync(ended, ct);
            }
            catch (Exception e) when (e is DiagnosticsException or ProfileFormatException or IOException)
            {
                // The runtime is gone, or says what no runtime says.
            }
            if (_last.Number != before)
                retry = FirstRetry;
            await Task.WhenAny(ended, Task.Delay(retry, time, ct));
            ct.ThrowIfCancellationRequested();
        }
    }

    private void Learn(HeapUse use) => _last = _last with { Number = _last.Number + 1, Use = use };

    private async Task WatchAsync(Task ended, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var session = await client.StartSessionAsync(s_watched, BufferMegabytes, rundownKeywords: 0, withStacks: false, ct);
        try
        {
            var collections = new GcStatsReader(stats => _last = _last with { LastCollection = stats, Collections = _last.Collections + 1 });
            var use = new HeapUseReader(Learn);
            var reader = new NettraceReader((in NettraceEvent item) =>
            {
                collections.OnEvent(item);
                use.OnEvent(item);
            });
            var reading = ReadAsync(session.Stream, reader, long.MaxValue, over.Token);
            await Task.WhenAny(reading, ended);
            await over.CancelAsync();
            await reading;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // The runtime's process has ended.
        }
        finally
        {
            if (ct.IsCancellationRequested && !ended.IsCompleted)
                await TryStopAsync(session);
            await session.DisposeAsync();
        }
    }

    /// <summary>The runtime notices a closed stream only when it next writes: it is told, so that nothing of ours is left in it.</summary>
    private async Task TryStopAsync(EventPipeSession session)
    {
        using var timer = new CancellationTokenSource(StopTimeout, time);
        try
        {
            await session.StopAsync(timer.Token);
        }
        catch (Exception e) when (e is DiagnosticsException or OperationCanceledException)
        {
            // It ends with the stream all the same.
        }
    }

    private async Task ReadAsync(Stream stream, NettraceReader reader, long most, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        try
        {
            int read;
            var (since, before) = (time.GetTimestamp(), 0L);
            while (reader.Received < most && (read = await stream.ReadAsync(buffer, ct)) > 0)
            {
                reader.Feed(buffer.AsSpan(0, read));
                if (time.GetElapsedTime(since) is var elapsed && elapsed < AtOnce)
                {
                    if (reader.Received - before < MostBytesAtOnce)
                        continue;
                    await Task.Delay(AtOnce - elapsed, time, ct);
                }
                (since, before) = (time.GetTimestamp(), reader.Received);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
