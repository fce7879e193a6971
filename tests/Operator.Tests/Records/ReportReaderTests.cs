using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class ReportReaderTests
{
    private const string Id = "0196a1b2c3d4";

    [Fact]
    public void What_a_sidecar_writes_is_read_as_it_is()
    {
        var report = Read(_ => { }).Report!;
        Assert.Equal(A.Report().Record.Artifacts, report.Record.Artifacts);
        Assert.Equal(A.Report().Record.Top, report.Record.Top);
        Assert.Equal(A.Report().Record.Trigger, report.Record.Trigger);
    }

    [Theory]
    [InlineData("record.id", "\"other-id\"", "record.id")]
    [InlineData("sequence", "0", "sequence")]
    [InlineData("record.policy.name", "\"\"", "record.policy.name")]
    [InlineData("record.trigger.name", "\"a\\u0007b\"", "record.trigger.name")]
    [InlineData("record.target.container", "\"\"", "record.target.container")]
    [InlineData("record.phase", "\"Pending\"", "record.phase")]
    [InlineData("record.phase", "\"Sleeping\"", "record.phase")]
    [InlineData("record.phase", "2", "record.phase")]
    [InlineData("record.startedAt", "\"0001-01-01T00:00:00Z\"", "record.startedAt")]
    [InlineData("record.startedAt", "\"yesterday\"", "record.startedAt")]
    [InlineData("record.completedAt", "\"2020-01-01T00:00:00Z\"", "record.completedAt")]
    [InlineData("record.memory.workingSetBytes", "-1", "record.memory")]
    [InlineData("record.memory.workingSetBytes", "1e30", "record.memory.workingSetBytes")]
    [InlineData("record.artifacts.0.type", "\"He ap\"", "record.artifacts[0].type")]
    [InlineData("record.artifacts.0.key", "\"../../etc\"", "record.artifacts[0].key")]
    [InlineData("record.artifacts.0.bytes", "-5", "record.artifacts[0].bytes")]
    [InlineData("record.artifacts.0.sha256", "\"ABC\"", "record.artifacts[0].sha256")]
    [InlineData("record.artifacts.0", "null", "record.artifacts[0]")]
    [InlineData("record.top.0.flatPercent", "1e999", "record.top[0].flatPercent")]
    [InlineData("record.top.0.flatPercent", "101", "record.top[0].flatPercent")]
    [InlineData("record.top.0.flatBytes", "-1", "record.top[0].flatBytes")]
    [InlineData("location", "\"https://elsewhere/\"", "location")]
    [InlineData("location", "\"javascript:alert(1)\"", "location")]
    [InlineData("location", "\"s3://key:secret@bucket/x/\"", "location")]
    [InlineData("location", "\"s3://bucket/\\u001b[31m\"", "location")]
    [InlineData("request", "{\"name\": \"\", \"uid\": \"u\"}", "request.name")]
    [InlineData("request", "{\"name\": \"now\", \"uid\": \"\"}", "request.uid")]
    public void What_would_make_a_wrong_record_is_refused_with_its_field(string path, string value, string field)
    {
        var refusal = Read(report => Set(report, path, value)).Refusal!;
        Assert.Equal((422, field), (refusal.Status, refusal.Field));
    }

    [Fact]
    public void Whatever_is_missing_nothing_breaks()
    {
        var paths = new List<string>();
        Collect(RecordJson.Object(A.Report() with { Request = new RequestReference("now", "uid"), Location = "s3://b/" }), "");
        Assert.InRange(paths.Count, 40, 200);
        foreach (var path in paths)
        {
            var report = RecordJson.Object(A.Report() with { Request = new RequestReference("now", "uid"), Location = "s3://b/" });
            Remove(report, path);
            var reading = ReportReader.ReadCapture(Encoding.UTF8.GetBytes(report.ToJsonString()), Id);
            Assert.True(reading.Report is not null || reading.Refusal!.Status is 400 or 422, path);
            if (reading.Report is { } read)
                Assert.NotNull(CaptureRecords.Status(read, CaptureRecords.New(read, A.Pod(), null), A.Pod(), A.Now));
        }

        void Collect(JsonNode? node, string path)
        {
            if (path.Length > 0)
                paths.Add(path);
            if (node is JsonObject fields)
                foreach (var (name, value) in fields)
                    Collect(value, path.Length == 0 ? name : $"{path}.{name}");
            else if (node is JsonArray { Count: > 0 } list)
                Collect(list[0], $"{path}.0");
        }

        static void Remove(JsonNode node, string path)
        {
            var parts = path.Split('.');
            foreach (var part in parts[..^1])
                node = node is JsonArray array ? array[int.Parse(part)]! : node[part]!;
            if (node is JsonArray list)
                list.RemoveAt(0);
            else
                ((JsonObject)node).Remove(parts[^1]);
        }
    }

    [Theory]
    [InlineData("s3://profiles/prod env/shop/x/")]
    [InlineData("file:///var/lib/premortem/shop/x/")]
    public void A_location_of_a_store_is_taken(string location) =>
        Assert.Equal(location, Read(report => report["location"] = location).Report!.Location);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"record\": ")]
    [InlineData("{}")]
    [InlineData("{\"record\": null, \"sequence\": 1}")]
    [InlineData("{\"record\": {}, \"record\": {}}")]
    [InlineData("\u0000\u0001")]
    public void What_is_no_report_is_refused(string body) =>
        Assert.InRange(ReportReader.ReadCapture(Encoding.UTF8.GetBytes(body), Id).Refusal!.Status, 400, 422);

    [Fact]
    public void Depth_does_not_hurt()
    {
        var body = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 5000)));
        Assert.Equal(400, ReportReader.ReadCapture(body, Id).Refusal!.Status);
    }

    [Theory]
    [InlineData("UPPER")]
    [InlineData("a")]
    [InlineData("a/b/c/d")]
    [InlineData("-abcd")]
    [InlineData("abcd.efgh")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void An_id_has_the_shape_of_a_part_of_a_name(string id) =>
        Assert.Equal("id", ReportReader.ReadCapture("{}"u8, id).Refusal!.Field);

    [Fact]
    public void What_is_only_long_is_cut()
    {
        var report = Read(report =>
        {
            report["record"]!["outcomeReason"] = new string('x', 100_000);
            report["record"]!["artifacts"]![0]!["error"] = new string('y', 100_000);
            report["record"]!["top"]![0]!["name"] = new string('z', 100_000);
            for (var i = 0; i < 50; i++)
                report["record"]!["top"]!.AsArray().Add(report["record"]!["top"]![1]!.DeepClone());
        }).Report!;
        Assert.Equal(1024, report.Record.OutcomeReason!.Length);
        Assert.Equal(1024, report.Record.Artifacts[0].Error!.Length);
        Assert.Equal(253, report.Record.Top[0].Name.Length);
        Assert.Equal(5, report.Record.Top.Count);
    }

    [Fact]
    public void Too_many_files_are_refused() =>
        Assert.Equal("record.artifacts", Read(report =>
        {
            for (var i = 0; i < 100; i++)
                report["record"]!["artifacts"]!.AsArray().Add(report["record"]!["artifacts"]![0]!.DeepClone());
        }).Refusal!.Field);

    [Fact]
    public void Words_that_only_a_newer_sidecar_knows_do_not_lose_the_record()
    {
        var reading = Read(report =>
        {
            report["record"]!["plan"] = JsonNode.Parse("""[{"type": "Flame", "decision": "chosen"}]""");
            report["record"]!["target"]!["runtime"] = JsonNode.Parse("""{"kind": "Jvm"}""");
            report["record"]!["artifacts"]![0]!["type"] = "Flame";
            report["record"]!["novel"] = 1;
        });
        Assert.Equal("Flame", reading.Report!.Record.Artifacts[0].Type);
    }

    [Fact]
    public void A_status_is_bounded_in_all_it_has()
    {
        var status = A.SidecarStatus() with
        {
            SettingsError = new string('e', 50_000),
            Storage = new StorageStatus(false, "s3://b/", "StoreUnreachable", new string('m', 50_000)),
            Targets = [.. Enumerable.Repeat(A.SidecarStatus().Targets[0] with { WhyNoProfiles = new string('ü', 5_000) }, 500)],
        };
        var read = ReportReader.ReadStatus(JsonSerializer.SerializeToUtf8Bytes(status, RecordJson.Options)).Report!;
        Assert.Equal(16, read.Targets.Count);
        var text = SidecarStatuses.Write(read);
        Assert.InRange(Encoding.UTF8.GetByteCount(text), 1000, SidecarStatuses.MaxBytes);
        Assert.Equal(read.SettingsError, JsonSerializer.Deserialize<SidecarStatus>(text, RecordJson.Options)!.SettingsError);
    }

    private static ReportReading<CaptureReport> Read(Action<JsonObject> change)
    {
        var report = RecordJson.Object(A.Report());
        change(report);
        return ReportReader.ReadCapture(Encoding.UTF8.GetBytes(report.ToJsonString()), Id);
    }

    private static void Set(JsonNode node, string path, string value)
    {
        var parts = path.Split('.');
        foreach (var part in parts[..^1])
            node = node is JsonArray array ? array[int.Parse(part)]! : node[part]!;
        var set = JsonNode.Parse(value);
        if (node is JsonArray list)
            list[int.Parse(parts[^1])] = set;
        else
            node[parts[^1]] = set;
    }
}
