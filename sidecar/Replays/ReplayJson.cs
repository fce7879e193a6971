using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Replays;

/// <summary>A replay for programs: one JSON document, described in docs/reference/replay.md.</summary>
internal sealed class ReplayJson : IReplayReport
{
    private const int FlushBytes = 32 * 1024;

    private readonly Utf8JsonWriter _json;
    private bool _isFinished;

    public ReplayJson(Stream output, string file, ProfilePolicy policy)
    {
        _json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        _json.WriteStartObject();
        _json.WriteString("file", file);
        _json.WriteString("policy", policy.Name);
        _json.WriteStartArray("events");
    }

    public void Decided(in MemorySample sample, TriggerDecision decision)
    {
        switch (decision)
        {
            case TriggerDecision.Fire fire:
                Begin("fired", sample.At, sample.Elapsed);
                _json.WriteString("trigger", fire.Trigger.Name);
                _json.WriteString("kind", fire.Trigger.Kind);
                _json.WriteString("reason", fire.Reason);
                break;
            case TriggerDecision.Hold hold:
                Begin("held", sample.At, sample.Elapsed);
                _json.WriteString("trigger", hold.Trigger.Name);
                _json.WriteString("kind", hold.Trigger.Kind);
                _json.WriteString("reason", hold.Reason);
                _json.WriteString("detail", hold.Detail);
                break;
        }
        _json.WriteNumber("workingSetBytes", sample.Reading.WorkingSetBytes);
        End();
    }

    public void Restarted(in MemorySample sample, bool ofSidecar)
    {
        Begin(ofSidecar ? "sidecarRestarted" : "restarted", sample.At, sample.Elapsed);
        End();
    }

    public void Ended(ReplayEnd end)
    {
        Begin(end.IsKill ? "killed" : "ended", end.At, end.Elapsed);
        if (end.FirstTrigger is not null)
        {
            _json.WriteString("firstTrigger", end.FirstTrigger);
            _json.WriteNumber("warningSeconds", Seconds(end.Warning));
            _json.WriteString("lastTrigger", end.LastTrigger);
            _json.WriteNumber("lastWarningSeconds", Seconds(end.LastWarning));
        }
        End();
    }

    public void Finish(ReplayTotals totals)
    {
        _json.WriteEndArray();
        _json.WriteStartObject("summary");
        _json.WriteNumber("samples", totals.Samples);
        _json.WriteNumber("skipped", totals.Skipped);
        if (totals.From is { } from)
            _json.WriteString("from", Time(from));
        if (totals.To is { } to)
            _json.WriteString("to", Time(to));
        _json.WriteNumber("seconds", Seconds(totals.Span));
        _json.WriteNumber("restarts", totals.Restarts);
        Write("fired", totals.Fired);
        Write("held", totals.Held);
        _json.WriteNumber("kills", totals.Kills);
        _json.WriteNumber("missed", totals.Missed);
        if (totals.LeastWarning is { } least)
            _json.WriteNumber("leastWarningSeconds", Seconds(least));
        _json.WriteEndObject();
        _json.WriteEndObject();
        _isFinished = true;
    }

    public void Dispose()
    {
        // What broke off is left as it is: no reader shall take it for whole.
        if (!_isFinished)
            _json.Reset();
        _json.Dispose();
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 3);

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private void Begin(string what, DateTimeOffset at, TimeSpan elapsed)
    {
        _json.WriteStartObject();
        _json.WriteString("what", what);
        _json.WriteString("at", Time(at));
        _json.WriteNumber("elapsedSeconds", Seconds(elapsed));
    }

    private void End()
    {
        _json.WriteEndObject();
        if (_json.BytesPending > FlushBytes)
            _json.Flush();
    }

    private void Write(string name, IReadOnlyDictionary<string, int> counts)
    {
        _json.WriteStartObject(name);
        foreach (var (key, count) in counts)
            _json.WriteNumber(key, count);
        _json.WriteEndObject();
    }
}
