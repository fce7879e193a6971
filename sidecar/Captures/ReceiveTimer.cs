using System.Globalization;
using Premortem.Contracts;

namespace Premortem.Sidecar.Captures;

/// <summary>The time that a target has: for the next bytes, and for all of them.</summary>
internal sealed class ReceiveTimer : IDisposable
{
    private readonly TimeProvider _time;
    private readonly CaptureBounds _bounds;
    private readonly TimeSpan _duration;
    private readonly long _start;
    private readonly CancellationTokenSource _timer;
    private readonly CancellationTokenSource _either;
    private bool _isLast;

    /// <param name="duration">How long the target was asked to record: it may be silent meanwhile.</param>
    internal ReceiveTimer(CaptureBounds bounds, TimeSpan duration, TimeProvider time, CancellationToken ct)
    {
        _time = time;
        _bounds = bounds;
        _duration = duration;
        _start = time.GetTimestamp();
        _timer = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(ct, _timer.Token);
        Rearm();
    }

    /// <summary>Fires when the time is up, and with the caller's own token.</summary>
    internal CancellationToken Token => _either.Token;

    /// <summary>Whether the time was up, rather than the caller's token cancelled.</summary>
    internal bool IsUp => _timer.IsCancellationRequested;

    public void Dispose()
    {
        _either.Dispose();
        _timer.Dispose();
    }

    /// <summary>Bytes came: the next ones have their time again, within that of the whole.</summary>
    internal void Rearm()
    {
        var elapsed = _time.GetElapsedTime(_start);
        var silence = (elapsed > _duration ? elapsed : _duration) + _bounds.Stall;
        var whole = _duration + _bounds.Allowance;
        _isLast = whole <= silence;
        var until = (_isLast ? whole : silence) - elapsed;
        _timer.CancelAfter(until > TimeSpan.Zero ? until : TimeSpan.Zero);
    }

    /// <summary>What to say when the time was up.</summary>
    internal ReceiveException ToException(long received)
    {
        var elapsed = Durations.Format(_time.GetElapsedTime(_start));
        var what = _isLast ? $"not whole after {elapsed}" : $"nothing came for {Durations.Format(_bounds.Stall)} in {elapsed}";
        return new ReceiveException(
            _isLast && received > 0 ? Reasons.TimedOut : Reasons.TargetNotResponding,
            string.Create(CultureInfo.InvariantCulture, $"{what}; {received} bytes had come"));
    }
}
