using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Premortem.Contracts;

namespace Premortem.Operator.Records;

/// <summary>
/// Reads what a sidecar sent. It comes from a watched pod: what would make a record wrong is refused with its field, and what is only long or
/// ugly is cut. Pure.
/// </summary>
internal static partial class ReportReader
{
    private const int MaxName = 253;
    private const int MaxTrigger = 63;
    private const int MaxSentence = 1024;
    private const int MaxWord = 64;
    private const int MaxKey = 253;
    private const int MaxArtifacts = 64;
    private const int MaxTop = 5;
    private const int MaxTargets = 16;
    private const int MaxUrl = 2048;

    /// <summary>An id is part of an object's name.</summary>
    public static bool IsCaptureId(string id) => CaptureId().IsMatch(id);

    public static ReportReading<CaptureReport> ReadCapture(ReadOnlySpan<byte> body, string id)
    {
        if (!IsCaptureId(id))
            return Refused<CaptureReport>("id", "the path's last part has to be a capture's id: 4 to 40 lower-case letters, digits and dashes");
        if (Parse<CaptureReport>(body, Forget, out var refusal) is not { } report)
            return new ReportReading<CaptureReport>(null, refusal);
        return Check(report, id) is { } wrong ? new ReportReading<CaptureReport>(null, wrong) : new ReportReading<CaptureReport>(Cut(report), null);
    }

    public static ReportReading<SidecarStatus> ReadStatus(ReadOnlySpan<byte> body) =>
        Parse<SidecarStatus>(body, _ => { }, out var refusal) is { } status
            ? new ReportReading<SidecarStatus>(Cut(status), null)
            : new ReportReading<SidecarStatus>(null, refusal);

    /// <summary>What the operator has no use for may hold words that only a newer sidecar knows.</summary>
    private static void Forget(JsonObject report)
    {
        if (report["record"] is not JsonObject record)
            return;
        record.Remove("plan");
        record.Remove("alsoFired");
        (record["target"] as JsonObject)?.Remove("runtime");
    }

    private static T? Parse<T>(ReadOnlySpan<byte> body, Action<JsonObject> forget, out ReportAnswer? refusal)
        where T : class
    {
        refusal = null;
        try
        {
            if (JsonNode.Parse(body, documentOptions: new JsonDocumentOptions { MaxDepth = 32 }) is not JsonObject node)
            {
                refusal = ReportAnswer.Malformed("the body has to be a JSON object");
                return null;
            }
            forget(node);
            return node.Deserialize<T>(RecordJson.Options);
        }
        catch (JsonException e)
        {
            var field = e.Path?.TrimStart('$').TrimStart('.');
            refusal = string.IsNullOrEmpty(field)
                ? ReportAnswer.Malformed(RecordText.Clean(e.Message, MaxSentence) ?? "the body is no JSON")
                : ReportAnswer.Invalid(RecordText.Clean(field, MaxName)!, RecordText.Clean(e.Message, MaxSentence)!);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // A name that stands twice, or a lone surrogate.
            refusal = ReportAnswer.Malformed(RecordText.Clean(e.Message, MaxSentence)!);
            return null;
        }
    }

    private static ReportAnswer? Check(CaptureReport report, string id)
    {
        // What a constructor takes is null where it is missing, whatever its type says.
        if (report.Record is not { } record)
            return Wrong("record", "is required");
        if (record.Id != id)
            return Wrong("record.id", $"is not the id of the path, '{id}'");
        if (report.Sequence < 1)
            return Wrong("sequence", $"is {report.Sequence}, but counts the reports of a capture from 1");
        if (Name(record.Policy.Name) is { } policy)
            return Wrong("record.policy.name", policy);
        if ((Name(record.Trigger.Name) ?? (record.Trigger.Name.Length > MaxTrigger ? $"is longer than {MaxTrigger} characters" : null)) is { } trigger)
            return Wrong("record.trigger.name", trigger);
        if (Name(record.Target.Container) is { } container)
            return Wrong("record.target.container", container);
        if (!Enum.IsDefined(record.Phase) || record.Phase == CapturePhase.Pending)
            return Wrong("record.phase", "has to be Capturing, Completed, Partial or Failed");
        if (Time(record.StartedAt) is { } started)
            return Wrong("record.startedAt", started);
        if (record.CompletedAt is { } at && (Time(at) ?? (at < record.StartedAt.AddMinutes(-1) ? "is before startedAt" : null)) is { } completed)
            return Wrong("record.completedAt", completed);
        var memory = record.Memory;
        if (memory.WorkingSetBytes < 0 || memory.UsageBytes < 0 || memory.LimitBytes < 0 || memory.CeilingBytes < 0)
            return Wrong("record.memory", "holds a negative number of bytes");
        if (record.Artifacts.Count > MaxArtifacts)
            return Wrong("record.artifacts", $"has {record.Artifacts.Count} entries, but may have {MaxArtifacts}");
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < record.Artifacts.Count; i++)
        {
            var artifact = record.Artifacts[i];
            if (artifact is null)
                return Wrong($"record.artifacts[{i}]", "is null");
            if (!Word().IsMatch(artifact.Type))
                return Wrong($"record.artifacts[{i}].type", "has to be a word");
            if (artifact.Key.Length > MaxKey || !FileName().IsMatch(artifact.Key))
                return Wrong($"record.artifacts[{i}].key", $"has to be a file's name of at most {MaxKey} letters, digits, '.', '-' and '_'");
            if (!keys.Add(artifact.Key))
                return Wrong($"record.artifacts[{i}].key", "is there twice");
            if (artifact.Bytes < 0)
                return Wrong($"record.artifacts[{i}].bytes", "is negative");
            if (artifact.Sha256 is { } sha && !Sha256().IsMatch(sha))
                return Wrong($"record.artifacts[{i}].sha256", "has to be 64 lower-case hex digits");
        }
        for (var i = 0; i < Math.Min(record.Top.Count, MaxTop); i++)
        {
            var top = record.Top[i];
            if (top is null)
                return Wrong($"record.top[{i}]", "is null");
            if (!double.IsFinite(top.FlatPercent) || top.FlatPercent is < 0 or > 100.5)
                return Wrong($"record.top[{i}].flatPercent", "has to be a number from 0 to 100");
            if (top.FlatBytes < 0)
                return Wrong($"record.top[{i}].flatBytes", "is negative");
        }
        if (report.Location is { } location && !IsLocation(location))
            return Wrong("location", $"has to be an s3:// or file:// URL of at most {MaxUrl} characters, without a user");
        if (report.Request is { } request)
        {
            if (Name(request.Name) is { } name)
                return Wrong("request.name", name);
            if (request.Uid is not { Length: > 0 and <= MaxWord })
                return Wrong("request.uid", "has to be the UID of the ProfileCapture that asks");
        }
        return null;

        static ReportAnswer Wrong(string field, string detail) => ReportAnswer.Invalid(field, detail);
        static string? Name(string? name) => name is { Length: > 0 and <= MaxName } && RecordText.Clean(name, MaxName + 1) == name
            ? null
            : $"has to be a name of 1 to {MaxName} characters";
        static string? Time(DateTimeOffset time) => time.Year is >= 2000 and < 2200 ? null : "is no time of this age";
    }

    private static bool IsLocation(string location) =>
        location.Length <= MaxUrl
        && RecordText.Clean(location, MaxUrl + 1) == location
        && (location.StartsWith("s3://", StringComparison.Ordinal) || location.StartsWith("file:///", StringComparison.Ordinal))
        && Uri.TryCreate(location, UriKind.Absolute, out var url)
        && url.UserInfo.Length == 0;

    private static CaptureReport Cut(CaptureReport report) => report with
    {
        Record = report.Record with
        {
            OutcomeReason = RecordText.Clean(report.Record.OutcomeReason, MaxSentence),
            TopFrom = RecordText.Clean(report.Record.TopFrom, MaxWord),
            Trigger = report.Record.Trigger with
            {
                Kind = RecordText.Clean(report.Record.Trigger.Kind, MaxWord) ?? "",
                Reason = RecordText.Clean(report.Record.Trigger.Reason, MaxSentence) ?? "",
            },
            Target = report.Record.Target with { Node = RecordText.Clean(report.Record.Target.Node, MaxName) },
            Artifacts =
            [
                .. report.Record.Artifacts.Select(artifact => artifact with
                {
                    Error = RecordText.Clean(artifact.Error, MaxSentence),
                    Reason = RecordText.Clean(artifact.Reason, MaxWord),
                }),
            ],
            Top =
            [
                .. report.Record.Top.Take(MaxTop).Select(top => top with
                {
                    Name = RecordText.Clean(top.Name, MaxName) ?? "?",
                    FlatPercent = Math.Min(top.FlatPercent, 100),
                }),
            ],
        },
    };

    private static SidecarStatus Cut(SidecarStatus status) => status with
    {
        Revision = RecordText.Clean(status.Revision, MaxWord),
        SettingsError = RecordText.Clean(status.SettingsError, MaxSentence),
        Version = RecordText.Clean(status.Version, MaxWord) ?? "?",
        Storage = status.Storage is not { } storage ? null : storage with
        {
            Location = RecordText.Clean(storage.Location, MaxName) ?? "?",
            Reason = RecordText.Clean(storage.Reason, MaxWord),
            Message = RecordText.Clean(storage.Message, MaxWord * 4),
        },
        Targets =
        [
            .. status.Targets.Where(target => target is not null).Take(MaxTargets).Select(target => target with
            {
                Container = RecordText.Clean(target.Container, MaxName) ?? "?",
                Profiles = RecordText.Clean(target.Profiles, MaxName),
                WhyNoProfiles = RecordText.Clean(target.WhyNoProfiles, MaxWord * 4),
                MemorySource = RecordText.Clean(target.MemorySource, MaxWord),
            }),
        ],
    };

    private static ReportReading<T> Refused<T>(string field, string detail)
        where T : class => new(null, ReportAnswer.Invalid(field, detail));

    [GeneratedRegex(@"^[a-z0-9][a-z0-9-]{2,38}[a-z0-9]\z")]
    private static partial Regex CaptureId();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9]{0,63}\z")]
    private static partial Regex Word();

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,253}\z")]
    private static partial Regex FileName();

    [GeneratedRegex(@"^[0-9a-f]{64}\z")]
    private static partial Regex Sha256();
}
