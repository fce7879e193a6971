using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Hosting;

/// <summary>
/// <c>premortem-sidecar replay</c>: what the triggers of a policy would have made of what memory did. The engine is the very one that
/// <c>run</c> asks.
/// </summary>
internal sealed class ReplayCommand(string csvFile, string policyFile, long? limitBytes, ReplayFormat format)
{
    public int Run(Stream output)
    {
        var reading = PolicyFile.Read(policyFile);
        foreach (var warning in reading.Warnings)
            Console.Error.WriteLine($"{policyFile}: warning: {warning}");
        foreach (var error in reading.Errors)
            Console.Error.WriteLine($"{policyFile}: {error}");
        if (reading.Policy is not { } policy)
            return ExitCodes.Usage;
        try
        {
            using var csv = csvFile == "-" ? Console.OpenStandardInput() : new FileStream(csvFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            using IReplayReport report = format == ReplayFormat.Json ? new ReplayJson(output, csvFile, policy) : new ReplayText(output);
            Play(new MemoryCsvReader(csv), policy, report);
            return ExitCodes.Done;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MemoryCsvException)
        {
            Console.Error.WriteLine($"{csvFile}: {e.Message}");
            return ExitCodes.Usage;
        }
    }

    private void Play(MemoryCsvReader csv, ProfilePolicy policy, IReplayReport report)
    {
        var totals = new ReplayTotals(policy.Spec.Triggers);
        var engine = NewEngine(policy, TriggerHistory.Empty);
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
                engine = NewEngine(policy, engine.History);
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

    private static TriggerEngine NewEngine(ProfilePolicy policy, TriggerHistory history) => new(policy.Spec.Triggers, policy.Spec.Limits, history);
}
