using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Premortem.Contracts.Policies;

/// <summary>
/// Reads a <c>ProfilePolicy</c> document, fills in the defaults, and says of everything that is wrong where it stands and what would
/// be right. The document comes as JSON nodes, so that YAML files, annotations and admission reviews are all read by the same rules.
/// </summary>
public static partial class PolicyReader
{
    private static readonly string[] TriggerKinds = ["memoryUsage", "timeToLimit", "risingFloor", "schedule"];
    private static readonly TimeSpan Year = TimeSpan.FromDays(366);
    private const long LeastThresholdBytes = 1 << 20;
    private const int MostContainers = 32, MostTriggers = 32, MostCaptures = 16, MostHistory = 1000;

    /// <param name="checkSchedule">
    /// What cron expressions and time zones are is not known here: a problem comes back with the field of the schedule as its path.
    /// </param>
    public static PolicyReading Read(JsonNode? document, Func<ScheduleTrigger, FieldProblem?>? checkSchedule = null) =>
        Read(document, new PolicyReadOptions { CheckSchedule = checkSchedule });

    public static PolicyReading Read(JsonNode? document, PolicyReadOptions options)
    {
        var errors = new List<FieldProblem>();
        var warnings = new List<FieldProblem>();
        if (document is not JsonObject root)
        {
            errors.Add(new FieldProblem("", $"no {ProfilePolicy.Kind} document: the file is empty or no object"));
            return new PolicyReading(null, errors, warnings);
        }
        var top = new DocumentFields(root, "", errors, options.UnknownIn(warnings));
        if (top.String("apiVersion", required: true) is { } version && version != ProfilePolicy.ApiVersion)
            top.Wrong("apiVersion", $"is '{version}', but has to be '{ProfilePolicy.ApiVersion}'");
        var kind = top.String("kind", required: true);
        var isClusterWide = kind == ProfilePolicy.ClusterKind;
        if (kind is not (null or ProfilePolicy.Kind or ProfilePolicy.ClusterKind))
            top.Wrong("kind", $"is '{kind}', but has to be '{ProfilePolicy.Kind}' or '{ProfilePolicy.ClusterKind}'");
        top.Ignore("status");

        string? name = null, @namespace = null;
        if (top.Object("metadata", required: true) is { } metadata)
        {
            name = metadata.String("name", required: true);
            if (name is not null && !DnsName().IsMatch(name))
                metadata.Wrong("name", $"is '{name}', but has to be a DNS name: lower-case letters, digits, '-' and '.', at most 253");
            @namespace = metadata.String("namespace");
            if (isClusterWide && @namespace is not null)
                metadata.Wrong("namespace", $"is '{@namespace}', but a {ProfilePolicy.ClusterKind} stands in no namespace");
        }
        ProfilePolicySpec? spec = null;
        if (top.Object("spec", required: true) is { } specFields)
            spec = ReadSpec(specFields, isClusterWide, options, warnings);
        top.NoOthers();
        return errors.Count > 0
            ? new PolicyReading(null, errors, warnings)
            : new PolicyReading(new ProfilePolicy(name!, @namespace, spec!) { IsClusterWide = isClusterWide }, errors, warnings);
    }

    /// <summary>The <c>spec</c> alone.</summary>
    /// <param name="path">Where it stands: <c>spec</c>, <c>policies[0].spec</c>.</param>
    public static SpecReading ReadSpec(JsonObject spec, string path, bool isClusterWide, PolicyReadOptions options)
    {
        var errors = new List<FieldProblem>();
        var warnings = new List<FieldProblem>();
        var read = ReadSpec(new DocumentFields(spec, path, errors, options.UnknownIn(warnings)), isClusterWide, options, warnings);
        return new SpecReading(errors.Count > 0 ? null : read, errors, warnings);
    }

    private static ProfilePolicySpec? ReadSpec(DocumentFields spec, bool isClusterWide, PolicyReadOptions options, List<FieldProblem> warnings)
    {
        var said = spec.Names.Where(spec.IsThere).ToHashSet(StringComparer.Ordinal);
        // Which pods they take is for the operator; here they only have to be right.
        SelectorReader.Check(spec, "selector", options.RequireSelector);
        if (isClusterWide)
            SelectorReader.Check(spec, "namespaceSelector", required: false);
        var containers = ReadContainers(spec);
        var runtime = spec.Enum<RuntimeKind>("runtime") ?? RuntimeKind.Auto;
        var triggers = ReadTriggers(spec, options.CheckSchedule);
        var captures = ReadCaptures(spec);
        var limits = ReadLimits(spec);
        var recorder = ReadFlightRecorder(spec);
        var go = ReadGo(spec);
        var storage = spec.Object("storage", required: true) is { } fields ? ReadStorage(fields, warnings) : null;
        var sidecar = SidecarOptionsReader.Read(spec);
        var history = spec.Integer("historyLimit", 0, MostHistory) ?? ProfilePolicySpec.DefaultHistoryLimit;
        spec.NoOthers();
        return storage is null ? null : new ProfilePolicySpec
        {
            Containers = containers,
            Runtime = runtime,
            Triggers = triggers,
            Captures = captures,
            Limits = limits,
            FlightRecorder = recorder,
            Go = go,
            Storage = storage,
            Sidecar = sidecar,
            HistoryLimit = history,
            Said = said,
        };
    }

    private static List<string> ReadContainers(DocumentFields spec)
    {
        var names = spec.Strings("containers", MostContainers);
        var containers = new List<string>();
        for (var i = 0; i < names.Count; i++)
            if (!DnsLabel().IsMatch(names[i]))
                spec.Wrong($"containers[{i}]", $"is '{Cut(names[i])}', but has to be a container's name: lower-case letters, digits and '-', at most 63");
            else if (containers.Contains(names[i]))
                spec.Wrong($"containers[{i}]", $"is '{names[i]}', which stands here already");
            else
                containers.Add(names[i]);
        return containers;
    }

    private static List<Trigger> ReadTriggers(DocumentFields spec, Func<ScheduleTrigger, FieldProblem?>? checkSchedule)
    {
        var triggers = new List<Trigger>();
        if (!spec.Has("triggers"))
        {
            spec.Wrong("triggers", "is required: without a trigger nothing is ever captured");
            return triggers;
        }
        var items = spec.Objects("triggers", MostTriggers);
        if (spec.IsEmptyList("triggers"))
            spec.Wrong("triggers", "is empty: without a trigger nothing is ever captured");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in items ?? [])
        {
            var name = item.String("name", required: true);
            if (name is not null)
            {
                if (name is Names.RequestedTrigger or Names.OomKillTrigger or Names.ExitTrigger)
                    item.Wrong("name", $"is '{name}', which every policy has by itself; take another name");
                else if (!DnsLabel().IsMatch(name))
                    item.Wrong("name", $"is '{name}', but has to be a DNS label: lower-case letters, digits and '-', at most 63");
                else if (!names.Add(name))
                    item.Wrong("name", $"is '{name}', which another trigger of this policy has already");
            }
            if (item.ToleratesUnknown && !TriggerKinds.Any(item.Has) && item.HasUnknown)
            {
                item.Unknown("", "is a trigger of a kind that this version does not know: it never fires here");
                continue;
            }
            var kind = item.ExactlyOneOf(TriggerKinds);
            if (kind is not null && item.Object(kind) is { } fields)
            {
                if (ReadTrigger(name ?? "", kind, fields, checkSchedule) is { } trigger)
                    triggers.Add(trigger);
                fields.NoOthers();
            }
            item.NoOthers();
        }
        return triggers;
    }

    private static Trigger? ReadTrigger(string name, string kind, DocumentFields fields, Func<ScheduleTrigger, FieldProblem?>? checkSchedule)
    {
        switch (kind)
        {
            case "memoryUsage":
                var threshold = ReadThreshold(fields);
                var held = fields.Duration("for", TimeSpan.Zero, TimeSpan.FromHours(24)) ?? TimeSpan.Zero;
                return threshold is null ? null : new MemoryUsageTrigger(name, threshold, held);
            case "timeToLimit":
                var within = fields.Duration("within", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24), required: true);
                return within is null ? null : new TimeToLimitTrigger(name, within.Value);
            case "risingFloor":
                var window = fields.Duration("window", TimeSpan.FromMinutes(1), Year, required: true);
                var growth = fields.String("growth", required: true) is { } text ? ReadPercent(fields, "growth", text, 10_000) : null;
                return window is null || growth is null ? null : new RisingFloorTrigger(name, window.Value, growth.Value);
            default:
                return ReadSchedule(name, fields, checkSchedule);
        }
    }

    private static ScheduleTrigger? ReadSchedule(string name, DocumentFields fields, Func<ScheduleTrigger, FieldProblem?>? check)
    {
        var cron = fields.String("cron", required: true);
        var zone = fields.String("timeZone");
        var jitter = fields.Duration("jitter", TimeSpan.Zero, TimeSpan.FromHours(24)) ?? TimeSpan.Zero;
        if (zone is not null && !ZoneName().IsMatch(zone))
        {
            fields.Wrong("timeZone", $"is '{zone}', but has to be a name of the IANA time zone database like Europe/Berlin");
            return null;
        }
        if (cron is null)
            return null;
        if (cron.Length > 256 || cron.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length != 5)
        {
            fields.Wrong("cron", $"is '{cron}', but has to have five fields: minute hour day-of-month month day-of-week");
            return null;
        }
        var trigger = new ScheduleTrigger(name, cron, zone, jitter);
        if (check?.Invoke(trigger) is { } problem)
            fields.Wrong(problem.Path, problem.Message);
        return trigger;
    }

    private static MemoryThreshold? ReadThreshold(DocumentFields fields)
    {
        if (fields.Scalar("threshold", required: true) is not { } text)
            return null;
        if (text.EndsWith('%'))
            return ReadPercent(fields, "threshold", text, 100) is { } fraction ? new MemoryThreshold(fraction, null) : null;
        // No process lives on less than this: it is a share that lost its '%'.
        if (Quantity.TryParse(text, out var bytes) && bytes >= LeastThresholdBytes)
            return new MemoryThreshold(null, bytes);
        fields.Wrong("threshold", $"is '{text}', but has to be a share of the limit like 85% or a quantity like 900Mi, at least {Quantity.Format(LeastThresholdBytes)}");
        return null;
    }

    private static double? ReadPercent(DocumentFields fields, string name, string text, double most)
    {
        if (text.EndsWith('%')
            && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)
            && percent > 0 && percent <= most)
            return percent / 100;
        fields.Wrong(name, $"is '{text}', but has to be above 0% and at most {most:0}%, like 85%");
        return null;
    }

    private static IReadOnlyList<CaptureRequest> ReadCaptures(DocumentFields spec)
    {
        if (spec.Objects("captures", MostCaptures) is not { } items)
            return ProfilePolicySpec.DefaultCaptures;
        if (spec.IsEmptyList("captures"))
            spec.Wrong("captures", "is empty; leave it out for the default: Heap, Goroutine, Process and Cpu");
        return ReadCaptures(items, "policy");
    }

    /// <summary>The <c>captures</c> of a request: as those of a policy, and none means what the policy says.</summary>
    internal static IReadOnlyList<CaptureRequest> ReadRequestedCaptures(DocumentFields request) =>
        ReadCaptures(request.Objects("captures", MostCaptures) ?? [], "request");

    private static List<CaptureRequest> ReadCaptures(IReadOnlyList<DocumentFields> items, string whose)
    {
        var captures = new List<CaptureRequest>();
        foreach (var item in items)
        {
            if (item.ToleratesUnknown && item.Peek("type") is { } text && !Enum.GetNames<CaptureType>().Contains(text))
            {
                item.Unknown("type", $"is '{Cut(text)}', which this version cannot capture");
                continue;
            }
            var type = item.Enum<CaptureType>("type");
            if (!item.Has("type"))
                item.Wrong("type", "is required");
            var duration = item.Duration("duration", TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
            var dump = item.Enum<DumpType>("dumpType");
            if (type is { } t)
            {
                if (duration is not null && !CaptureRequest.TakesTime(t))
                    item.Wrong("duration", $"goes with Cpu, Trace and GcTrace; a {t} capture takes none");
                if (captures.Any(capture => capture.Type == t))
                    item.Wrong("type", $"is '{t}', which this {whose} captures already");
                if (dump is not null && t != CaptureType.Dump)
                    item.Wrong("dumpType", $"goes with Dump, not with {t}");
                captures.Add(new CaptureRequest(t, duration ?? DefaultDuration(t)) { DumpType = dump ?? DumpType.Heap });
            }
            item.NoOthers();
        }
        return captures;
    }

    private static string Cut(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static TimeSpan? DefaultDuration(CaptureType type) => type switch
    {
        CaptureType.Cpu or CaptureType.GcTrace => CaptureRequest.DefaultCpuDuration,
        CaptureType.Trace => CaptureRequest.DefaultTraceDuration,
        _ => null,
    };

    private static CaptureLimits ReadLimits(DocumentFields spec)
    {
        var limits = new CaptureLimits();
        if (spec.Object("limits") is not { } fields)
            return limits;
        limits = new CaptureLimits
        {
            Cooldown = fields.Duration("cooldown", TimeSpan.Zero, Year) ?? limits.Cooldown,
            MaxPerDay = fields.Integer("maxPerDay", 1, 10_000) ?? limits.MaxPerDay,
            SpoolBytes = fields.Bytes("spool", 1 << 20) ?? limits.SpoolBytes,
        };
        fields.NoOthers();
        return limits;
    }

    private static FlightRecorderOptions? ReadFlightRecorder(DocumentFields spec)
    {
        if (spec.Object("flightRecorder") is not { } fields)
            return null;
        var every = fields.Duration("every", TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)) ?? FlightRecorderOptions.DefaultEvery;
        var keep = fields.Integer("keep", 1, 100) ?? FlightRecorderOptions.DefaultKeep;
        fields.NoOthers();
        return new FlightRecorderOptions(every, keep);
    }

    private static GoOptions ReadGo(DocumentFields spec)
    {
        if (spec.Object("go") is not { } fields)
            return new GoOptions();
        var port = fields.Integer("port", 1, 65535);
        var path = fields.String("path", most: 256) ?? GoOptions.DefaultPath;
        if (!path.StartsWith('/') || path.Any(c => c is '?' or '#' || char.IsWhiteSpace(c) || char.IsControl(c)))
            fields.Wrong("path", $"is '{path}', but has to be a path that starts with '/', without spaces, '?' or '#'");
        var gcTrace = fields.Boolean("gcTrace") ?? false;
        fields.NoOthers();
        return new GoOptions(port, path.TrimEnd('/'), gcTrace);
    }

    private static Storage? ReadStorage(DocumentFields storage, List<FieldProblem> warnings)
    {
        var kind = storage.ExactlyOneOf("directory", "s3");
        var fields = kind is null ? null : storage.Object(kind);
        Storage? result = null;
        if (fields is not null && kind == "directory" && fields.String("path", required: true, most: 1024) is { } path)
        {
            if (path.StartsWith('/') && !path.Split('/').Contains(".."))
                result = new DirectoryStorage(path);
            else
                fields.Wrong("path", $"is '{path}', but has to be an absolute path without '..'");
        }
        else if (fields is not null && kind == "s3")
        {
            result = ReadS3(fields, warnings);
        }
        fields?.NoOthers();
        storage.NoOthers();
        return result;
    }

    private static S3Storage? ReadS3(DocumentFields fields, List<FieldProblem> warnings)
    {
        var bucket = fields.String("bucket", required: true);
        if (bucket is not null && (!BucketName().IsMatch(bucket) || bucket.Contains("..", StringComparison.Ordinal)))
            fields.Wrong("bucket", $"is '{bucket}', but has to be a bucket's name: 3 to 63 lower-case letters, digits, '-' and '.', no two '.' in a row");
        var prefix = (fields.String("prefix", most: 512) ?? "").Trim('/');
        if (prefix.Split('/').Any(part => part is "." or ".."))
            fields.Wrong("prefix", $"is '{prefix}', but may not hold '.' or '..' as a part");
        var region = fields.String("region", most: 64);
        Uri? endpoint = null;
        if (fields.String("endpoint", most: 512) is { } text
            && (!Uri.TryCreate(text, UriKind.Absolute, out endpoint) || endpoint.Scheme is not ("http" or "https")
                || endpoint.PathAndQuery != "/" || endpoint.Fragment.Length > 0 || endpoint.UserInfo.Length > 0))
            fields.Wrong("endpoint", $"is '{(text.Contains('@') ? "a URL with a user" : text)}', but has to be a URL like http://minio.storage:9000, without path or user");
        if (bucket is not null && endpoint is null && region is null)
            warnings.Add(new FieldProblem(fields.PathOf("region"), "is not set, and there is no endpoint: the region comes from the environment, and captures fail where it has none"));
        var forcePathStyle = fields.Boolean("forcePathStyle") ?? false;
        var credentialsSecret = fields.String("credentialsSecret");
        if (credentialsSecret is not null && !DnsName().IsMatch(credentialsSecret))
            fields.Wrong("credentialsSecret", $"is '{Cut(credentialsSecret)}', but has to be the name of a Secret in the pod's namespace");
        ServerSideEncryption? encryption = null;
        if (fields.Object("serverSideEncryption") is { } sse)
        {
            var type = sse.String("type", required: true);
            if (type is not (null or "AES256" or "aws:kms" or "aws:kms:dsse"))
                sse.Wrong("type", $"is '{type}', but has to be one of AES256, aws:kms, aws:kms:dsse");
            var key = sse.String("kmsKeyId", most: 2048);
            if (key is not null && type == "AES256")
                sse.Wrong("kmsKeyId", "goes with aws:kms and aws:kms:dsse, not with AES256");
            sse.NoOthers();
            encryption = type is null ? null : new ServerSideEncryption(type, key);
        }
        return bucket is null ? null : new S3Storage(bucket)
        {
            Prefix = prefix,
            Region = region,
            Endpoint = endpoint,
            ForcePathStyle = forcePathStyle,
            CredentialsSecret = credentialsSecret,
            ServerSideEncryption = encryption,
        };
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}\z")]
    private static partial Regex ZoneName();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    private static partial Regex DnsLabel();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\z")]
    private static partial Regex DnsName();

    [GeneratedRegex(@"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\z")]
    private static partial Regex BucketName();
}
