using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>
/// Reads <see cref="SidecarSettings"/>. They come from the operator through an annotation that whoever may change the pod may change too: all
/// is checked, and nothing of it can be large. What is not known here is passed over with a warning, since the operator may be newer.
/// </summary>
public static class SettingsReader
{
    /// <summary>All annotations of an object together have 256 KiB at most.</summary>
    public const int MostBytes = 1 << 20;

    private const int MostPolicies = 64, MostContainers = 256, MostRequests = 64, MostName = 253;
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 32, AllowDuplicateProperties = false };

    /// <param name="checkSchedule">As in <see cref="PolicyReadOptions.CheckSchedule"/>.</param>
    public static SettingsReading Read(string json, Func<ScheduleTrigger, FieldProblem?>? checkSchedule = null) =>
        json.Length > MostBytes ? Refused(TooLong(json.Length)) : Read(Encoding.UTF8.GetBytes(json), checkSchedule);

    public static SettingsReading Read(ReadOnlySpan<byte> json, Func<ScheduleTrigger, FieldProblem?>? checkSchedule = null)
    {
        if (json.Length > MostBytes)
            return Refused(TooLong(json.Length));
        try
        {
            return JsonNode.Parse(json, documentOptions: Strict) is JsonObject root ? Read(root, checkSchedule) : Refused("is no object");
        }
        catch (JsonException e)
        {
            return Refused(e.LineNumber is { } line ? $"no JSON at line {line + 1}, byte {e.BytePositionInLine}" : "names a field twice");
        }
        catch (InvalidOperationException)
        {
            // Strings are decoded when they are read: half a surrogate pair, bytes that are no UTF-8.
            return Refused("holds a string that is no Unicode text");
        }
    }

    private static SettingsReading Read(JsonObject root, Func<ScheduleTrigger, FieldProblem?>? checkSchedule)
    {
        var (errors, warnings) = (new List<FieldProblem>(), new List<FieldProblem>());
        var policies = new List<ReadPolicy>();
        var settings = Read(new DocumentFields(root, "", errors, warnings), policies, errors, warnings, checkSchedule);
        return errors.Count > 0
            ? new SettingsReading(null, [], errors, warnings)
            : new SettingsReading(settings, policies, errors, warnings);
    }

    private static SidecarSettings Read(
        DocumentFields top, List<ReadPolicy> read, List<FieldProblem> errors, List<FieldProblem> warnings, Func<ScheduleTrigger, FieldProblem?>? checkSchedule)
    {
        if (top.String("schema", required: true) is { } schema && schema != SidecarSettings.SchemaVersion)
            top.Wrong("schema", $"is '{Cut(schema)}', but has to be '{SidecarSettings.SchemaVersion}': this sidecar and its operator are too far apart; restart the pod");
        var revision = top.String("revision", required: true, most: 64);
        var policies = new List<AppliedPolicy>();
        foreach (var item in top.Objects("policies", MostPolicies) ?? [])
            if (ReadPolicy(item, read, errors, warnings, checkSchedule) is { } policy)
                policies.Add(policy);
        var containers = new List<ContainerSettings>();
        foreach (var item in top.Objects("containers", MostContainers) ?? [])
        {
            if (item.String("name", required: true, most: MostName) is { } name)
                containers.Add(new ContainerSettings(name, item.Long("memoryLimitBytes", 1, long.MaxValue)));
            item.NoOthers();
        }
        var ends = top.Boolean("endsWithTargets") ?? false;
        var spool = top.Long("spoolBytes", 1, long.MaxValue);
        var restart = top.String("restartPolicy", most: 32);
        var report = top.Object("report") is { } fields ? ReadReport(fields) : null;
        var requests = new List<RequestedCapture>();
        foreach (var item in top.Objects("requests", MostRequests) ?? [])
            if (ReadRequest(item) is { } request)
                requests.Add(request);
        top.NoOthers();
        return new SidecarSettings
        {
            Revision = revision ?? "",
            Policies = policies,
            Containers = containers,
            EndsWithTargets = ends,
            SpoolBytes = spool,
            RestartPolicy = restart,
            Report = report,
            Requests = requests,
        };
    }

    private static AppliedPolicy? ReadPolicy(
        DocumentFields item, List<ReadPolicy> read, List<FieldProblem> errors, List<FieldProblem> warnings, Func<ScheduleTrigger, FieldProblem?>? checkSchedule)
    {
        var kind = item.String("kind", required: true);
        if (kind is not (null or ProfilePolicy.Kind or ProfilePolicy.ClusterKind))
            item.Wrong("kind", $"is '{Cut(kind)}', but has to be '{ProfilePolicy.Kind}' or '{ProfilePolicy.ClusterKind}'");
        var name = item.String("name", required: true, most: MostName);
        var @namespace = item.String("namespace", most: MostName);
        var generation = item.Long("generation", 0, long.MaxValue) ?? 0;
        var spec = item.Json("spec", required: true);
        item.NoOthers();
        if (spec is null || kind is null || name is null)
            return null;
        var reading = PolicyReader.ReadSpec(
            spec,
            item.PathOf("spec"),
            kind == ProfilePolicy.ClusterKind,
            new PolicyReadOptions { CheckSchedule = checkSchedule, TolerateUnknown = true });
        errors.AddRange(reading.Errors);
        warnings.AddRange(reading.Warnings);
        if (reading.Spec is not null)
            read.Add(new ReadPolicy(kind, name, @namespace, reading.Spec));
        return new AppliedPolicy(kind, name, @namespace, generation, spec);
    }

    private static ReportSettings? ReadReport(DocumentFields fields)
    {
        var url = fields.String("url", required: true, most: 512);
        if (url is not null && (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0))
            fields.Wrong("url", $"is '{Cut(url)}', but has to be a URL like https://premortem.premortem-system.svc");
        var ca = fields.String("caBundle", required: true);
        var address = fields.String("address", most: 64);
        if (address is not null && !IPAddress.TryParse(address, out _))
            fields.Wrong("address", $"is '{address}', but has to be an IP address");
        fields.NoOthers();
        return url is null || ca is null ? null : new ReportSettings(url, ca, address);
    }

    private static RequestedCapture? ReadRequest(DocumentFields item)
    {
        var name = item.String("name", required: true, most: MostName);
        var uid = item.String("uid", required: true, most: 64);
        var container = item.String("container", most: MostName);
        var captures = PolicyReader.ReadRequestedCaptures(item);
        item.NoOthers();
        return name is null || uid is null ? null : new RequestedCapture(name, uid, container, captures);
    }

    private static SettingsReading Refused(string message) => new(null, [], [new FieldProblem("", message)], []);

    private static string TooLong(int length) => $"has {length} bytes, but may have {MostBytes} at most";

    private static string Cut(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
