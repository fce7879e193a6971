using System.Globalization;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>One trigger and what it remembers. The rule says whether its condition holds; cooldown and limits are the engine's.</summary>
internal abstract class TriggerRule(Trigger trigger)
{
    private string? _heldFor;
    private long _firedAtBytes;

    public Trigger Trigger { get; } = trigger;

    public bool IsArmed { get; private set; } = true;

    /// <summary>When it fired last, monotonic; null: not in this life of the sidecar. A new incarnation does not end a cooldown.</summary>
    public TimeSpan? FiredAt { get; private set; }

    /// <summary>Whether it may fire again although memory stays as it is: its condition ends by itself when it has fired.</summary>
    protected virtual bool StaysArmed => false;

    /// <summary>Takes in one sample, and says why the condition holds; null: it does not.</summary>
    public abstract string? Judge(in MemorySample sample, GrowthForecast forecast);

    /// <summary>From where on it is worth looking closely; null: this rule has no hurry.</summary>
    public virtual long? ThresholdBytes(long? ceilingBytes) => null;

    /// <summary>When it wants a sample by the wall clock, whatever memory does; null: never.</summary>
    public virtual DateTimeOffset? DueAt => null;

    /// <summary>Forgets what belongs to the process that has ended.</summary>
    public virtual void StartIncarnation()
    {
        IsArmed = true;
        _heldFor = null;
    }

    public virtual void Fired(in MemorySample sample)
    {
        IsArmed = StaysArmed;
        (FiredAt, _firedAtBytes) = (sample.Elapsed, sample.Reading.WorkingSetBytes);
        _heldFor = null;
    }

    /// <summary>A rule that fired is armed again when its condition has ended, or when memory stands well above where it fired.</summary>
    public void Rearm(bool holds, in MemorySample sample)
    {
        if (IsArmed)
            return;
        var used = sample.Reading.WorkingSetBytes;
        // Hysteresis: around the threshold a rule would fire on every wiggle.
        if (!holds && used < _firedAtBytes * 0.95)
            IsArmed = true;
        else if (used >= _firedAtBytes + ((sample.CeilingBytes ?? _firedAtBytes) * 0.05))
            IsArmed = true;
    }

    public TriggerDecision.Hold? Hold(string reason, string detail)
    {
        if (_heldFor == reason)
            return null;
        _heldFor = reason;
        return new TriggerDecision.Hold(Trigger, reason, detail);
    }

    /// <summary>What holds it from here on is worth being said again.</summary>
    protected void ForgetHold() => _heldFor = null;

    internal static string Rounded(TimeSpan time) => time < TimeSpan.FromSeconds(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0} ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");
}
