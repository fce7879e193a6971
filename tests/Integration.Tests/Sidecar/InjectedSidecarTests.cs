using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The sidecar as the operator injects it: settings that change, reports, requests, and the end of a Job's pod.</summary>
public sealed class InjectedSidecarTests : IAsyncDisposable
{
    private const long MiB = 1 << 20;
    private const string Never = """[{"name":"never","memoryUsage":{"threshold":"1Ti"}}]""";
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(30);

    private readonly InjectedPod _pod = new();
    private readonly MemoryCgroup _app = MemoryCgroup.Create(128 * MiB);

    private static string Hold => $"exec {GoLeak.Program} -addr 127.0.0.1:0 -mode hold -size 40";

    public async ValueTask DisposeAsync()
    {
        await _pod.DisposeAsync();
        _app.Dispose();
    }

    [Fact]
    public async Task What_the_operator_writes_is_followed_without_a_restart_and_told_back()
    {
        await using var sidecar = _pod.Start([("app", _app, Hold)]);
        await sidecar.WaitForAsync(111);
        Assert.Empty(sidecar.Events(200));

        _pod.Config.Write(_pod.Settings(Never));
        await sidecar.WaitForAsync(200, line => line["Container"] == "app", TimeSpan.FromSeconds(10));
        await sidecar.WaitForAsync(202);
        var status = await StatusAsync(status => status["targets"]?[0]?["profiles"] is not null && status["storage"]?["reachable"]?.GetValue<bool>() == true);
        Assert.Equal(("app", "Go", 128 * MiB), (status["targets"]![0]!["container"]!.GetValue<string>(), status["targets"]![0]!["runtime"]!.GetValue<string>(), status["targets"]![0]!["ceilingBytes"]!.GetValue<long>()));
        Assert.False(Directory.Exists(_pod.Store) && Directory.EnumerateFileSystemEntries(_pod.Store).Any());

        // What is wrong changes nothing, and is said.
        _pod.Config.Write("{}");
        status = await StatusAsync(status => status["settingsError"] is not null);
        Assert.Contains("schema", status["settingsError"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.NotNull(status["revision"]);

        _pod.Config.Write(_pod.Settings("""[{"name":"some","memoryUsage":{"threshold":"20Mi"}}]"""));
        await sidecar.WaitForAsync(400, line => line["Trigger"] == "some", TimeSpan.FromSeconds(10));
        var capture = await StoredAsync();
        Assert.Equal(new PolicyReference("checkout", "shop"), capture.Record.Policy);

        // Told before it is known what becomes of the target, and at last with that and where it is.
        var reports = await Eventually.Holds(() => _pod.Operator.Captures.Select(request => request.Json).ToList(), reports => reports.Count > 0 && reports[^1]["location"] is not null, "a report of what is stored", s_soon);
        Assert.Null(reports[0]["location"]);
        Assert.Null(reports[0]["record"]!["outcome"]);
        Assert.Equal(("Completed", "Survived"), (reports[^1]["record"]!["phase"]!.GetValue<string>(), reports[^1]["record"]!["outcome"]!.GetValue<string>()));
        Assert.Equal(reports.Select(report => report["sequence"]!.GetValue<int>()).Order().Distinct(), reports.Select(report => report["sequence"]!.GetValue<int>()));
        Assert.All(_pod.Operator.Requests, request => Assert.Equal("token-1", request.Token));

        // Without a policy it stays, and watches nothing.
        _pod.Config.Write(_pod.Settings(null));
        await sidecar.WaitForAsync(208, timeout: TimeSpan.FromSeconds(30));
        Assert.False(sidecar.HasExited);
        _pod.Config.Write(_pod.Settings(Never));
        await Eventually.IsTrue(() => sidecar.Events(200).Count == 2, "it is watched again", s_soon);
        _pod.Signal(SidecarProcess.SigTerm);
        Assert.Equal(0, await sidecar.ExitAsync(s_soon));
    }

    [Fact]
    public async Task A_capture_goes_on_by_the_policy_that_it_began_with()
    {
        _pod.Config.Write(_pod.Settings(Never));
        await using var sidecar = _pod.Start([("app", _app, Hold + " -spin=false")]);
        // While it fills its memory it seems to be about to meet the limit, and there is no time for a CPU profile.
        await sidecar.WaitForAsync(202);
        await Eventually.Holds(RiseInASecondAsync, rise => rise < MiB, "it holds what it was told to", s_soon);
        _pod.Config.Write(_pod.Settings("""[{"name":"some","memoryUsage":{"threshold":"20Mi"}}]""", captures: """[{"type":"Heap"},{"type":"Cpu","duration":"5s"}]"""));
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        _pod.Config.Write(_pod.Settings(null));
        await sidecar.WaitForAsync(110, line => line["Policies"].StartsWith("no policy", StringComparison.Ordinal));
        var capture = await StoredAsync();
        Assert.True(capture.Artifact("Cpu").IsComplete, capture.Artifact("Cpu").Error);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        await sidecar.WaitForAsync(208);
    }

    [Fact]
    public async Task What_is_asked_for_is_captured_once_whoever_watches_the_container_and_however_often_the_sidecar_starts()
    {
        using var proxy = MemoryCgroup.Create(64 * MiB);
        var asked = _pod.Settings(Never, captures: """[{"type":"Heap"},{"type":"Process"}]""", more: "\"containers\":[\"proxy\"],", containers: [new("app", null), new("proxy", null)]) with
        {
            Requests =
            [
                new RequestedCapture("now", "u1", "app", [new CaptureRequest(CaptureType.Goroutine)]),
                new RequestedCapture("typo", "u2", "ap", []),
            ],
        };
        _pod.Config.Write(asked);
        (string, MemoryCgroup, string)[] containers = [("app", _app, Hold), ("proxy", proxy, "exec sleep 300")];
        await using (var first = _pod.Start(containers))
        {
            var capture = await StoredAsync();
            Assert.Equal(("requested", "app"), (capture.Record.Trigger.Name, capture.Record.Target.Container));
            Assert.True(capture.Artifact("Goroutine").IsComplete);
            Assert.DoesNotContain(capture.Record.Artifacts, artifact => artifact.Type == "Heap");
            // When it is served, nobody watches it any more.
            await first.WaitForAsync(208, line => line["Container"] == "app");
            var reports = await Eventually.Holds(() => _pod.Operator.Captures.Select(request => request.Json).ToList(), reports => reports.Exists(report => report["location"] is not null), "it is told", s_soon);
            Assert.All(reports.Where(report => report["record"]!["phase"]!.GetValue<string>() != "Failed"), report => Assert.Equal(("now", "u1"), (report["request"]!["name"]!.GetValue<string>(), report["request"]!["uid"]!.GetValue<string>())));
            var failed = Assert.Single(reports, report => report["record"]!["phase"]!.GetValue<string>() == "Failed");
            Assert.Equal("u2", failed["request"]!["uid"]!.GetValue<string>());
            Assert.Contains("no container 'ap'", failed["record"]!["outcomeReason"]!.GetValue<string>(), StringComparison.Ordinal);
        }
        var told = _pod.Operator.Captures.Count;
        await using var second = _pod.Start(containers);
        await second.WaitForAsync(200, line => line["Container"] == "proxy");
        // The next one is served, so that those before it have been looked at.
        _pod.Config.Write(asked with { Requests = [.. asked.Requests, new RequestedCapture("again", "u3", "app", [new CaptureRequest(CaptureType.Process)])] });
        await Eventually.IsTrue(() => _pod.Captures.Count == 2, "the third is stored", s_soon);
        Assert.All(_pod.Operator.Captures.Skip(told), request => Assert.Equal("u3", request.Json["request"]!["uid"]!.GetValue<string>()));
    }

    [Fact]
    public async Task What_the_operator_was_not_there_for_is_told_by_the_next_life_of_the_sidecar()
    {
        var settings = _pod.Settings("""[{"name":"some","memoryUsage":{"threshold":"20Mi"}}]""");
        _pod.Operator.Answer = _ => (503, "", []);
        _pod.Config.Write(settings);
        string id;
        await using (var first = _pod.Start([("app", _app, Hold)], arguments: ["--grace-period", "10s"]))
        {
            id = (await StoredAsync()).Record.Id;
            await first.WaitForAsync(801);
            _pod.Signal(SidecarProcess.SigTerm);
            // What cannot be told does not hold up the end.
            Assert.Equal(0, await first.ExitAsync(s_soon));
        }
        var before = _pod.Operator.Captures.Count;
        _pod.Operator.Answer = _ => (204, "", []);
        _pod.Config.Write(_pod.Settings(null));
        await using var second = _pod.Start([("app", _app, Hold)]);
        var report = (await Eventually.Holds(() => _pod.Operator.Captures, reports => reports.Count > before, "it is told", s_soon))[before];
        Assert.Equal(ReportPaths.Captures + id, report.Path);
        Assert.NotNull(report.Json["location"]);
        await Eventually.IsTrue(() => Directory.GetFiles(Path.Combine(_pod.Spool, "reports")).Length == 0, "nothing waits");
    }

    [Fact]
    public async Task Beside_a_Jobs_containers_it_stores_what_there_is_and_ends_when_they_have_ended()
    {
        _pod.Config.Write(_pod.Settings("""[{"name":"some","memoryUsage":{"threshold":"20Mi"}}]""") with { EndsWithTargets = true, RestartPolicy = "Never" });
        await using var sidecar = _pod.Start([("app", _app, $"{GoLeak.Program} -addr 127.0.0.1:0 -mode hold -size 40 & sleep 4; kill $!; wait")]);
        Assert.Equal(0, await sidecar.ExitAsync(s_soon));
        Assert.Equal("its targets have ended", (await sidecar.WaitForAsync(101))["Reason"]);
        var capture = await StoredAsync();
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.NotNull(_pod.Operator.Captures[^1].Json["location"]);
    }

    [Fact]
    public async Task A_Secret_that_comes_later_is_taken_up_and_the_store_said_to_be_reachable()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var secret = _pod.FileOf("secret");
        Directory.CreateDirectory(secret);
        _pod.Config.Write(_pod.Settings(Never, storage: $$$"""{"s3":{"bucket":"{{{bucket.Name}}}","prefix":"prod","region":"{{{S3Server.Region}}}","endpoint":"{{{bucket.Server.Endpoint}}}","forcePathStyle":true,"credentialsSecret":"s3"}}"""));
        await using var sidecar = _pod.Start([("app", _app, Hold)], new Dictionary<string, string?> { [Names.S3CredentialsVariable] = secret });
        var status = await StatusAsync(status => status["storage"]?["reachable"]?.GetValue<bool>() == false);
        Assert.Equal(Reasons.AccessDenied, status["storage"]!["reason"]!.GetValue<string>());
        await File.WriteAllTextAsync(Path.Combine(secret, "accessKeyId"), bucket.Server.AccessKey);
        await File.WriteAllTextAsync(Path.Combine(secret, "secretAccessKey"), bucket.Server.SecretKey);
        status = await StatusAsync(status => status["storage"]?["reachable"]?.GetValue<bool>() == true, TimeSpan.FromSeconds(60));
        Assert.StartsWith($"s3://{bucket.Name}/prod", status["storage"]!["location"]!.GetValue<string>(), StringComparison.Ordinal);
        // Nothing was left by trying.
        Assert.Empty(await bucket.KeysAsync());
        Assert.Empty(await bucket.UnfinishedAsync());
    }

    private async Task<JsonNode> StatusAsync(Func<JsonNode, bool> which, TimeSpan? timeout = null) =>
        (await Eventually.Holds(() => _pod.Operator.Statuses is [.., var last] ? last.Json : null, status => status is not null && which(status), "a status", timeout ?? s_soon))!;

    private async Task<long> RiseInASecondAsync()
    {
        var before = _app.WorkingSetBytes;
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
        return Math.Abs(_app.WorkingSetBytes - before);
    }

    /// <summary>Of a target that seems to grow the end is awaited for up to a minute after what was captured.</summary>
    private async Task<StoredCapture> StoredAsync() =>
        (await Eventually.Holds(() => _pod.Captures, captures => captures.Count == 1, "one stored capture", TimeSpan.FromSeconds(90)))[0].AssertWhole();
}
