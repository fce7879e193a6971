using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck.Xunit;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Contracts.Tests;

public sealed class SettingsTests
{
    private static readonly SidecarSettings Whole = new()
    {
        Revision = "",
        Policies =
        [
            new AppliedPolicy(ProfilePolicy.Kind, "checkout", "shop", 3, Spec("""
                {
                  "triggers": [{"name": "near", "memoryUsage": {"threshold": "85%", "for": "2s"}}],
                  "storage": {"s3": {"bucket": "profiles", "endpoint": "http://minio.storage:9000"}}
                }
                """)),
            new AppliedPolicy(ProfilePolicy.ClusterKind, "everywhere", null, 1, Spec("""
                {"triggers": [{"name": "leak", "risingFloor": {"window": "1h", "growth": "5%"}}], "storage": {"directory": {"path": "/x"}}}
                """)),
        ],
        Containers = [new ContainerSettings("app", 268435456), new ContainerSettings("proxy", null)],
        EndsWithTargets = true,
        RestartPolicy = "OnFailure",
        Report = new ReportSettings("https://premortem.premortem-system.svc", "-----BEGIN CERTIFICATE-----\na+b/c=\n-----END CERTIFICATE-----\n", "10.96.0.7"),
        Requests =
        [
            new RequestedCapture("now", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "app", [new(CaptureType.Cpu, TimeSpan.FromSeconds(5)), new(CaptureType.Dump) { DumpType = DumpType.Triage }]),
            new RequestedCapture("later", "2", null, []),
        ],
    };

    [Fact]
    public void What_is_written_is_written_like_this() =>
        Golden.Matches(SettingsWriter.Write(Whole) + "\n", "settings.json");

    [Fact]
    public void What_is_written_is_read_again()
    {
        var reading = SettingsReader.Read(SettingsWriter.Write(Whole), schedule => new FieldProblem("cron", schedule.Name));
        Assert.Empty(reading.Errors);
        Assert.Empty(reading.Warnings);
        var settings = reading.Settings!;
        Assert.Equal(SettingsWriter.RevisionOf(Whole), settings.Revision);
        Assert.Equal(SettingsWriter.Write(Whole), SettingsWriter.Write(settings));
        Assert.Equal(Whole.Containers, settings.Containers);
        Assert.Equal((true, "OnFailure", Whole.Report), (settings.EndsWithTargets, settings.RestartPolicy, settings.Report));
        Assert.Equal(Whole.Requests.Select(request => request with { Captures = [] }), settings.Requests.Select(request => request with { Captures = [] }));
        Assert.Equal(Whole.Requests[0].Captures, settings.Requests[0].Captures);
        Assert.Equal(["checkout", "everywhere"], reading.Policies.Select(policy => policy.Name));
        Assert.Equal(new MemoryUsageTrigger("near", new MemoryThreshold(0.85, null), TimeSpan.FromSeconds(2)), Assert.Single(reading.Policies[0].Spec.Triggers));
    }

    [Fact]
    public void The_least_settings_watch_nothing()
    {
        var reading = SettingsReader.Read("""{"schema": "premortem.dev/settings/v1", "revision": "1"}"""u8);
        Assert.Empty(reading.Errors);
        Assert.Empty(reading.Policies);
        Assert.Null(reading.Settings!.Report);
        Assert.Equal("1", reading.Settings.Revision);
    }

    [Fact]
    public void The_order_of_a_policys_fields_does_not_matter()
    {
        var one = With("""{"storage": {"directory": {"path": "/x"}}, "triggers": [{"name": "a", "timeToLimit": {"within": "2s"}}]}""");
        var other = With("""{"triggers": [{"timeToLimit": {"within": "2s"}, "name": "a"}], "storage": {"directory": {"path": "/x"}}}""");
        Assert.Equal(SettingsWriter.Write(one), SettingsWriter.Write(other));
    }

    [Fact]
    public void The_revision_names_the_content_and_nothing_else()
    {
        var revision = SettingsWriter.RevisionOf(Whole);
        Assert.Matches("^[0-9a-f]{16}$", revision);
        Assert.Equal(revision, SettingsWriter.RevisionOf(Whole with { Revision = "else" }));
        SidecarSettings[] others =
        [
            Whole with { EndsWithTargets = false },
            Whole with { SpoolBytes = 1 << 30 },
            Whole with { Report = null },
            Whole with { Requests = [] },
            Whole with { Containers = [] },
            Whole with { Policies = [Whole.Policies[0]] },
            Whole with { Policies = [.. Whole.Policies.Reverse()] },
            Whole with { Policies = [Whole.Policies[0] with { Generation = 4 }, Whole.Policies[1]] },
        ];
        Assert.Equal(others.Length + 1, others.Select(SettingsWriter.RevisionOf).Append(revision).Distinct().Count());
    }

    [Fact]
    public void What_speaks_to_the_operator_stays_with_it()
    {
        var spec = Spec("""{"selector": {}, "namespaceSelector": {}, "sidecar": {"mode": "Native"}, "historyLimit": 3, "runtime": "Go"}""");
        Assert.Equal("""{"runtime":"Go"}""", SettingsWriter.SpecForSidecar(spec).ToJsonString());
        Assert.Equal(5, spec.Count);
    }

    [Theory]
    [InlineData("schema", null, "schema", "is required")]
    [InlineData("schema", "\"premortem.dev/settings/v2\"", "schema", "is 'premortem.dev/settings/v2', but has to be 'premortem.dev/settings/v1': this sidecar and its operator are too far apart; restart the pod")]
    [InlineData("revision", null, "revision", "is required")]
    [InlineData("revision", "7", "revision", "is 7, but has to be a string")]
    [InlineData("policies", "{}", "policies", "is an object, but has to be a list")]
    [InlineData("policies[0]", "7", "policies[0]", "is 7, but has to be an object")]
    [InlineData("policies[0].kind", "\"Pod\"", "policies[0].kind", "is 'Pod', but has to be 'ProfilePolicy' or 'ClusterProfilePolicy'")]
    [InlineData("policies[0].name", null, "policies[0].name", "is required")]
    [InlineData("policies[0].generation", "-1", "policies[0].generation", "is -1, but has to be a whole number from 0 to 9223372036854775807")]
    [InlineData("policies[0].spec", null, "policies[0].spec", "is required")]
    [InlineData("policies[0].spec.triggers[0].memoryUsage.threshold", "\"0%\"", "policies[0].spec.triggers[0].memoryUsage.threshold", "is '0%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("policies[1].spec.storage", null, "policies[1].spec.storage", "is required")]
    [InlineData("containers[0].name", null, "containers[0].name", "is required")]
    [InlineData("containers[0].memoryLimitBytes", "0", "containers[0].memoryLimitBytes", "is 0, but has to be a whole number from 1 to 9223372036854775807")]
    [InlineData("endsWithTargets", "\"yes\"", "endsWithTargets", "is \"yes\", but has to be true or false")]
    [InlineData("report.url", "\"http://premortem\"", "report.url", "is 'http://premortem', but has to be a URL like https://premortem.premortem-system.svc")]
    [InlineData("report.url", "\"https://a@premortem\"", "report.url", "is 'https://a@premortem', but has to be a URL like https://premortem.premortem-system.svc")]
    [InlineData("report.caBundle", null, "report.caBundle", "is required")]
    [InlineData("report.address", "\"premortem\"", "report.address", "is 'premortem', but has to be an IP address")]
    [InlineData("requests[0].uid", null, "requests[0].uid", "is required")]
    [InlineData("requests[0].captures[0].duration", "\"1h\"", "requests[0].captures[0].duration", "is '1h', but has to be a duration like 2s, 90s or 1m30s, from 1s to 10m")]
    [InlineData("requests[0].captures[1].type", "\"Cpu\"", "requests[0].captures[1].type", "is 'Cpu', which this request captures already")]
    public void What_is_wrong_is_told_where_and_why(string at, string? value, string path, string message)
    {
        var reading = SettingsReader.Read(Changed(at, value));
        Assert.Null(reading.Settings);
        Assert.Empty(reading.Policies);
        Assert.Contains(new FieldProblem(path, message), reading.Errors);
    }

    [Theory]
    [InlineData("hello", "7", "hello")]
    [InlineData("report.tls", "{}", "report.tls")]
    [InlineData("containers[0].image", "\"x\"", "containers[0].image")]
    [InlineData("policies[0].weight", "7", "policies[0].weight")]
    [InlineData("policies[0].spec.redact", "true", "policies[0].spec.redact")]
    [InlineData("policies[0].spec.storage.s3.tags", "{}", "policies[0].spec.storage.s3.tags")]
    [InlineData("requests[0].captures[0].type", "\"OffCpu\"", "requests[0].captures[0].type")]
    public void What_a_newer_operator_says_is_passed_over_with_a_warning(string at, string value, string path)
    {
        var reading = SettingsReader.Read(Changed(at, value));
        Assert.Empty(reading.Errors);
        Assert.Equal(path, Assert.Single(reading.Warnings).Path);
        Assert.NotNull(reading.Settings);
    }

    [Theory]
    [InlineData("", "no JSON at line 1, byte 0")]
    [InlineData("{", "no JSON at line 1, byte 1")]
    [InlineData("[]", "is no object")]
    [InlineData("null", "is no object")]
    [InlineData("""{"revision": "1", "revision": "2"}""", "names a field twice")]
    [InlineData("""{"revision": "\ud800"}""", "holds a string that is no Unicode text")]
    [InlineData("""{"\ud800": 1}""", "holds a string that is no Unicode text")]
    [InlineData("""{"policies": [{"name": "a", "kind": "ProfilePolicy", "spec": {"triggers": [{"name": "\udfff"}]}}]}""", "holds a string that is no Unicode text")]
    public void What_is_no_JSON_object_is_refused(string text, string message) =>
        Assert.Equal(message, Assert.Single(SettingsReader.Read(text).Errors).ToString());

    [Fact]
    public void What_is_deep_or_long_is_refused()
    {
        Assert.StartsWith("no JSON at", Assert.Single(SettingsReader.Read(new string('[', 40)).Errors).Message, StringComparison.Ordinal);
        Assert.Equal("has 1048577 bytes, but may have 1048576 at most", Assert.Single(SettingsReader.Read(new byte[(1 << 20) + 1]).Errors).Message);
        Assert.Equal("policies: has 65 entries, but may have 64 at most", SettingsReader.Read(Changed("policies", $"[{string.Join(",", Enumerable.Repeat("{}", 65))}]")).Errors[0].ToString());
    }

    /// <summary>Whatever is done to the bytes, there are settings or an error, and never an exception.</summary>
    [Property(MaxTest = 500)]
    public void Broken_bytes_are_an_error_and_no_crash(int at, byte value)
    {
        var bytes = Encoding.UTF8.GetBytes(SettingsWriter.Write(Whole));
        bytes[Math.Abs(at % bytes.Length)] = value;
        var reading = SettingsReader.Read(bytes);
        Assert.Equal(reading.Settings is null, reading.Errors.Count > 0);
    }

    [Fact]
    public void A_report_and_a_status_survive_the_network()
    {
        var status = new SidecarStatus
        {
            Revision = "0123456789abcdef",
            Version = "0.1.0",
            Storage = new StorageStatus(false, "s3://profiles/prod/", Reasons.BucketNotFound, "no such bucket"),
            Targets = [new TargetStatus("app", RuntimeKind.Go, "http://127.0.0.1:6060/debug/pprof", null, "cgroup v2", 268435456)],
        };
        var text = JsonSerializer.Serialize(status, ContractsJson.Compact.SidecarStatus);
        Assert.DoesNotContain('\n', text);
        Assert.Equal(text, JsonSerializer.Serialize(JsonSerializer.Deserialize(text, ContractsJson.Default.SidecarStatus), ContractsJson.Compact.SidecarStatus));

        var record = JsonSerializer.Deserialize(File.ReadAllText(Repository.TestData("manifest.json")), ContractsJson.Default.CaptureRecord)!;
        var report = new CaptureReport(record, "s3://profiles/prod/x/", new RequestReference("now", "7")) { Sequence = 3 };
        var sent = JsonSerializer.Serialize(report, ContractsJson.Compact.CaptureReport);
        var got = JsonSerializer.Deserialize(sent, ContractsJson.Default.CaptureReport)!;
        Assert.Equal((report.Location, report.Request, 3, record.Id), (got.Location, got.Request, got.Sequence, got.Record.Id));
        Assert.Equal(sent, JsonSerializer.Serialize(got, ContractsJson.Compact.CaptureReport));
    }

    private static SidecarSettings With(string spec) =>
        new() { Revision = "", Policies = [new AppliedPolicy(ProfilePolicy.Kind, "a", "b", 1, Spec(spec))] };

    private static JsonObject Spec(string json) => JsonNode.Parse(json)!.AsObject();

    private static string Changed(string path, string? value)
    {
        var root = JsonNode.Parse(SettingsWriter.Write(Whole))!;
        var steps = path.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        var at = root;
        foreach (var step in steps[..^1])
            at = step[0] == '[' ? at[int.Parse(step[1..^1])]! : at[step]!;
        var last = steps[^1];
        if (last[0] == '[')
            at[int.Parse(last[1..^1])] = JsonNode.Parse(value!);
        else if (value is null)
            at.AsObject().Remove(last);
        else
            at[last] = JsonNode.Parse(value);
        return root.ToJsonString();
    }
}
