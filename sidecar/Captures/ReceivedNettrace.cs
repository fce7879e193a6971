using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using Premortem.Contracts;
using Premortem.Profiles;
using Premortem.Profiles.Nettrace;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// The stream of one session on its way from a runtime to where it is kept, looked at by its recording as it passes. Bounded in bytes
/// and in time; what the target does wrong ends it, what goes wrong at the destination comes as it is.
/// </summary>
internal sealed class ReceivedNettrace : IAsyncDisposable
{
    /// <summary>A compressor gives nothing for long and then much at once: so much is left free below the bound.</summary>
    internal const int CompressorBytes = 256 * 1024;

    /// <summary>
    /// Where the buffers were full, the end of a walk over the heap is dropped like all else. The runtime sends what it has every
    /// 100 ms: when nothing has come for this long after objects had, there is nothing more.
    /// </summary>
    private static readonly TimeSpan QuietAfterWalk = TimeSpan.FromMilliseconds(500);

    private readonly EventPipeSession _session;
    private readonly DotNetRecording _recording;
    private readonly CaptureBounds _bounds;
    private readonly TimeProvider _time;
    private readonly NettraceReader _reader;
    private readonly CountedStream _stored;
    private readonly NettraceTee _tee;
    private GZipStream? _packed;

    internal ReceivedNettrace(EventPipeSession session, DotNetRecording recording, Stream destination, CaptureBounds bounds, TimeProvider time)
    {
        _session = session;
        _recording = recording;
        _bounds = bounds;
        _time = time;
        _reader = new NettraceReader(recording.OnEvent);
        _stored = new CountedStream(destination);
        _packed = recording.IsCompressed ? new GZipStream(_stored, CompressionLevel.Fastest, leaveOpen: true) : null;
        _tee = new NettraceTee(_reader, _packed ?? (Stream)_stored);
    }

    /// <summary>The bytes that are kept so far.</summary>
    internal long Stored => _stored.Written;

    /// <summary>The events that the runtime had no room for.</summary>
    internal long Dropped => _reader.Dropped;

    public async ValueTask DisposeAsync()
    {
        if (_packed is not { } packed)
            return;
        _packed = null;
        await packed.DisposeAsync();
    }

    /// <summary>Receives until the stream ends, or something ends it.</summary>
    /// <param name="duration">How long it is expected to take.</param>
    /// <returns>What ended it, where it did not end by itself.</returns>
    internal async Task<Obstacle?> ReceiveAsync(TimeSpan duration, CancellationToken ct)
    {
        using var timer = new ReceiveTimer(_bounds, duration, _time, ct);
        using var stopper = new SessionStopper(_session, _recording.Duration, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var stopping = stopper.RunAsync(stop.Token);
        try
        {
            return await PassOnAsync(timer, stopper, ct);
        }
        catch (ProfileFormatException e)
        {
            return new Obstacle(Reasons.InvalidContent, e.Message);
        }
        catch (OperationCanceledException) when (timer.IsUp && !ct.IsCancellationRequested)
        {
            var late = timer.ToException(_reader.Received);
            return new Obstacle(late.Reason, late.Message);
        }
        catch (IOException) when (!_stored.HasFailed)
        {
            return new Obstacle(Reasons.TargetNotResponding, Invariant($"the connection ended after {_reader.Received} bytes, before the stream did"));
        }
        finally
        {
            await stop.CancelAsync();
            await stopping;
        }
    }

    /// <summary>Ends what is kept so that every reader takes it.</summary>
    internal async Task EndAsync(CancellationToken ct)
    {
        await _tee.EndAsync(ct);
        await DisposeAsync();
    }

    private async Task<Obstacle?> PassOnAsync(ReceiveTimer timer, SessionStopper stopper, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReceivedBody.BufferBytes);
        try
        {
            while (true)
            {
                timer.Rearm();
                var read = await _session.Stream.ReadAsync(buffer, timer.Token);
                if (read == 0)
                    return _reader.HasEnded ? null : new Obstacle(Reasons.TargetNotResponding, Invariant($"the stream ended after {_reader.Received} bytes, before it was whole"));
                await _tee.WriteAsync(buffer.AsMemory(0, read), ct);
                if (_recording.HasEnded)
                    stopper.End();
                else if (_recording.Duration is null && _recording.HasContent)
                    stopper.EndWhenQuietFor(QuietAfterWalk);
                if (_stored.Written > _bounds.MaxBytes - CompressorBytes || _reader.Received > _bounds.MaxDecompressedBytes)
                    return new Obstacle(Reasons.TooLarge, $"more came than the {Quantity.Format(_bounds.MaxBytes)} that may be stored");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
