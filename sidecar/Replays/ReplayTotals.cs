using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Replays;

/// <summary>The sums of a replay.</summary>
internal sealed class ReplayTotals(IReadOnlyList<Trigger> triggers)
{
    private readonly Dictionary<string, int> _fired = triggers.ToDictionary(trigger => trigger.Name, _ => 0);
    private readonly SortedDictionary<string, int> _held = new(StringComparer.Ordinal);
    private (string Name, TimeSpan At)? _first;
    private (string Name, TimeSpan At)? _latest;
    private TimeSpan _runBegan;
    private TimeSpan _earlierRuns;

    public long Samples { get; private set; }

    /// <summary>Rows that another file had already.</summary>
    public long Skipped { get; private set; }

    public DateTimeOffset? From { get; private set; }

    public DateTimeOffset? To { get; private set; }

    /// <summary>How long was watched, by the clock that nobody sets.</summary>
    public TimeSpan Span => _earlierRuns + (LastElapsed - _runBegan);

    public int Restarts { get; private set; }

    public int Kills { get; private set; }

    /// <summary>Kills before which nothing had fired in the same life but schedules.</summary>
    public int Missed { get; private set; }

    public TimeSpan? LeastWarning { get; private set; }

    public IReadOnlyDictionary<string, int> Fired => _fired;

    /// <summary>By trigger and reason, as <c>near-limit Cooldown</c>.</summary>
    public IReadOnlyDictionary<string, int> Held => _held;

    private TimeSpan LastElapsed { get; set; }

    public void Skip() => Skipped++;

    public void Add(in MemorySample sample)
    {
        if (From is null)
            (From, _runBegan) = (sample.At, sample.Elapsed);
        (To, LastElapsed) = (sample.At, sample.Elapsed);
        Samples++;
    }

    public void Add(in MemorySample sample, TriggerDecision decision)
    {
        switch (decision)
        {
            case TriggerDecision.Fire fire:
                _fired[fire.Trigger.Name]++;
                // A schedule foresees nothing.
                if (fire.Trigger is ScheduleTrigger)
                    break;
                _latest = (fire.Trigger.Name, sample.Elapsed);
                _first ??= _latest;
                break;
            case TriggerDecision.Hold hold:
                var key = $"{hold.Trigger.Name} {hold.Reason}";
                _held[key] = _held.GetValueOrDefault(key) + 1;
                break;
        }
    }

    public ReplayEnd End(in MemorySample sample, bool isKill)
    {
        var end = new ReplayEnd(sample.At, sample.Elapsed, isKill, _first?.Name, sample.Elapsed - (_first?.At ?? sample.Elapsed), _latest?.Name, sample.Elapsed - (_latest?.At ?? sample.Elapsed));
        if (isKill)
        {
            Kills++;
            if (_first is null)
                Missed++;
            else if (LeastWarning is not { } least || end.Warning < least)
                LeastWarning = end.Warning;
        }
        (_first, _latest) = (null, null);
        return end;
    }

    public void Restart() => Restarts++;

    /// <summary>The monotonic clock begins anew.</summary>
    public void StartRun()
    {
        _earlierRuns = Span;
        (_runBegan, LastElapsed, _first, _latest) = (TimeSpan.Zero, TimeSpan.Zero, null, null);
    }
}
