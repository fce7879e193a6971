using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>Plays a series to the trigger engine, sampled as the sidecar would sample it, until it ends or meets its limit.</summary>
internal sealed class Replay
{
    internal static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly List<string> _decisions = [];

    private Replay(TriggerEngine engine) => Engine = engine;

    internal TriggerEngine Engine { get; }

    internal List<(string Trigger, double At, double Share, string Reason)> Fired { get; } = [];

    internal List<(string Trigger, double At, string Reason)> Held { get; } = [];

    /// <summary>When the limit was met; null: it never was.</summary>
    internal double? KilledAt { get; private set; }

    internal int Samples { get; private set; }

    /// <summary>What the sampling cost, at 60 µs a sample.</summary>
    internal TimeSpan Cost { get; private set; }

    internal IReadOnlyList<string> Decisions => _decisions;

    internal IEnumerable<double> TimesOf(string trigger) => Fired.Where(fired => fired.Trigger == trigger).Select(fired => fired.At);

    /// <summary>Seconds from the first time that a trigger fired to the kill; null: it did not, or nobody was killed.</summary>
    internal double? Warning(string trigger) => KilledAt - TimesOf(trigger).Select(at => (double?)at).FirstOrDefault();

    internal static Replay Of(
        Series series,
        IReadOnlyList<Trigger> triggers,
        CaptureLimits? limits = null,
        TriggerHistory? history = null,
        Func<double, DateTimeOffset>? clock = null,
        double? newIncarnationAt = null,
        double? every = null)
    {
        var replay = new Replay(new TriggerEngine(triggers, limits ?? new CaptureLimits { Cooldown = TimeSpan.Zero, MaxPerDay = 10_000 }, history ?? TriggerHistory.Empty));
        replay.Run(series, clock ?? (seconds => Start.AddSeconds(seconds)), newIncarnationAt, every);
        return replay;
    }

    /// <summary>To the tenth of a millisecond: the kernel does not wait for a sample.</summary>
    private static double MetAt(Series series, double from, double to)
    {
        while (from < to && series.BytesAt(from) < series.LimitAt(from))
            from += 1e-4;
        return from;
    }

    private void Run(Series series, Func<double, DateTimeOffset> clock, double? newIncarnationAt, double? every)
    {
        var rate = new SamplingRate();
        var cost = TimeSpan.FromMicroseconds(60);
        double last = 0;
        for (double at = 0; at <= series.Length;)
        {
            if (newIncarnationAt <= at)
            {
                Engine.StartIncarnation();
                newIncarnationAt = null;
            }
            var (own, inactive, active) = (series.BytesAt(at), series.InactiveFile?.BytesAt(at) ?? 0, series.ActiveFile?.BytesAt(at) ?? 0);
            var limit = series.LimitAt(at);
            if (own >= limit)
            {
                KilledAt = MetAt(series, last, at);
                return;
            }
            last = at;
            var reading = new MemoryReading(own + inactive + active, inactive, active, limit, 0);
            var sample = new MemorySample(clock(at), TimeSpan.FromSeconds(at), reading, limit);
            foreach (var decision in Engine.Decide(sample))
            {
                _decisions.Add($"{at:0.0000} {decision}");
                if (decision is TriggerDecision.Fire fire)
                    Fired.Add((fire.Trigger.Name, at, (double)reading.WorkingSetBytes / (limit ?? long.MaxValue), fire.Reason));
                else if (decision is TriggerDecision.Hold hold)
                    Held.Add((hold.Trigger.Name, at, hold.Reason));
            }
            Samples++;
            Cost += cost;
            var wait = rate.Next(sample, Engine.LowestThreshold(limit), Engine.TimeToCeiling, cost);
            // The wait is whole milliseconds, as poll's is.
            at += every ?? (Math.Ceiling(wait.TotalMilliseconds) / 1000);
        }
    }
}
