using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Replays;

/// <summary>
/// What the triggers of a policy would have made of what memory did. The engine is the very one that the sidecar asks.
/// </summary>
/// <param name="limitBytes">Measured against this instead of the limit that was; null: that.</param>
internal sealed class MemoryReplay(ProfilePolicy policy, long? limitBytes)
{
    /// <exception cref="MemoryCsvException">What is there is no memory.csv.</exception>
    public void Play(Stream memoryCsv, IReplayReport report)
    {
        var csv = new MemoryCsvReader(memoryCsv);
        var totals = new ReplayTotals(policy.Spec.Triggers);
        var engine = NewEngine(TriggerHistory.Empty);
        MemorySample? last = null;
        var (hasEnded, isSkipping) = (false, false);
        while (csv.TryRead(out var row))
        {
            var sample = limitBytes is { } limit ? row.Sample with { CeilingBytes = limit } : row.Sample;
            // Captures of one program overlap: what was in the file before is not played twice.
            isSkipping = last is { } before && sample.At <= before.At && (row.BeginsFile || isSkipping);
            if (isSkipping)
            {
                totals.Skip();
                continue;
            }
            if (last is { } earlier && sample.Elapsed < earlier.Elapsed)
            {
                // Another run of the sidecar: it knows what fired and nothing of what memory did.
                engine = NewEngine(engine.History);
                totals.StartRun();
                report.Restarted(sample, ofSidecar: true);
            }
            last = sample;
            if (row.Has(nameof(CaptureOutcome.OOMKilled)) || row.Has(nameof(CaptureOutcome.Exited)))
            {
                // The figures beside an end are those of the last sample once more.
                report.Ended(totals.End(sample, isKill: row.Has(nameof(CaptureOutcome.OOMKilled))));
                hasEnded = true;
                continue;
            }
            if (hasEnded)
            {
                hasEnded = false;
                engine.StartIncarnation();
                totals.Restart();
                report.Restarted(sample, ofSidecar: false);
            }
            totals.Add(sample);
            foreach (var decision in engine.Decide(sample))
            {
                totals.Add(sample, decision);
                report.Decided(sample, decision);
            }
        }
        report.Finish(totals);
    }

    private TriggerEngine NewEngine(TriggerHistory history) => new(policy.Spec.Triggers, policy.Spec.Limits, history);
}
