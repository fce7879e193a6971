using System.Globalization;
using System.Text;
using Premortem.Contracts;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Replays;

/// <summary>A replay for people: a line for all that happened, and the sums.</summary>
internal sealed class ReplayText(Stream output) : IReplayReport
{
    private readonly StreamWriter _output = new(output, new UTF8Encoding(false), bufferSize: 4096, leaveOpen: true);

    public void Decided(in MemorySample sample, TriggerDecision decision)
    {
        switch (decision)
        {
            case TriggerDecision.Fire fire:
                Write(sample.At, "fired", fire.Trigger.Name, fire.Reason);
                break;
            case TriggerDecision.Hold hold:
                Write(sample.At, "held", hold.Trigger.Name, $"{hold.Reason}: {hold.Detail}");
                break;
        }
    }

    public void Restarted(in MemorySample sample, bool ofSidecar) =>
        Write(sample.At, "restart", "", ofSidecar ? "another run of the sidecar: what memory did before is forgotten" : "a new life of the program");

    public void Ended(ReplayEnd end) => Write(end.At, end.IsKill ? "killed" : "ended", "", end switch
    {
        { FirstTrigger: null } => "nothing had fired",
        { Warning: var first, LastWarning: var latest } when first == latest => $"{end.FirstTrigger} had fired {TriggerRule.Rounded(first)} before",
        _ => $"{end.FirstTrigger} had fired {TriggerRule.Rounded(end.Warning)} before, {end.LastTrigger} as the last {TriggerRule.Rounded(end.LastWarning)} before",
    });

    public void Finish(ReplayTotals totals)
    {
        var rows = totals.Samples.ToString("N0", CultureInfo.InvariantCulture);
        _output.Write(totals.From is null
            ? "samples   none\n"
            : $"samples   {rows} over {Durations.Format(TimeSpan.FromSeconds(Math.Round(totals.Span.TotalSeconds)))}, {Time(totals.From.Value)} to {Time(totals.To!.Value)}\n");
        if (totals.Skipped > 0)
            _output.Write($"skipped   {totals.Skipped.ToString("N0", CultureInfo.InvariantCulture)} rows that were there already\n");
        if (totals.Restarts > 0)
            _output.Write(string.Create(CultureInfo.InvariantCulture, $"restarts  {totals.Restarts}\n"));
        _output.Write($"fired     {Joined(totals.Fired)}\n");
        if (totals.Held.Count > 0)
            _output.Write($"held      {Joined(totals.Held)}\n");
        if (totals.Kills > 0)
            _output.Write(string.Create(CultureInfo.InvariantCulture, $"kills     {totals.Kills}, of them {totals.Missed} without a trigger before{(totals.LeastWarning is { } least ? $"; the shortest warning was {TriggerRule.Rounded(least)}" : "")}\n"));
    }

    public void Dispose() => _output.Dispose();

    private static string Joined(IReadOnlyDictionary<string, int> counts) =>
        string.Join(", ", counts.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {pair.Value}")));

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private void Write(DateTimeOffset at, string what, string trigger, string text) =>
        _output.Write($"{Time(at)}  {what,-7}  {(trigger.Length > 0 ? trigger + ": " : "")}{text}\n");
}
