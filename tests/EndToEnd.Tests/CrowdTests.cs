using System.Globalization;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>Fifty pods at once.</summary>
[Collection(Alone.Name)]
public sealed class CrowdTests(Ground all) : FaultStory(all)
{
    private const int Crowd = 50;

    /// <summary>Of so many the heap is to be there. Where all leak and are captured in the same three seconds, a program may die before it gets the CPU time to answer.</summary>
    private const int Named = 45;

    /// <summary>In which a node with two slow cores starts them all.</summary>
    private const int StartSeconds = 90;

    /// <summary>The operator's option max-requested-captures, as the chart has it.</summary>
    private const int RequestsAtOnce = 10;

    [Fact]
    public async Task Fifty_pods_that_die_at_once_have_each_its_capture_and_requests_wait_in_line()
    {
        await using var ground = await OpenAsync("crowd");
        await ground.ApplyPolicyAsync("[{name: near, memoryUsage: {threshold: 70%}}]", more: "historyLimit: 1000");
        var at = TimeProvider.System.GetUtcNow().AddSeconds(StartSeconds);
        await ground.ApplyDeploymentAsync("crowd", ground.GoPod($"-spin=false, -rate, \"5\", -at, \"{Seconds(at)}\"", "48Mi"), Crowd);
        await Eventually.Holds(
            async () => (await ground.PodsAsync("crowd")).Count(pod => IsWatched(pod, "app")), watched => watched == Crowd, "all of them are watched", TimeSpan.FromSeconds(StartSeconds));
        Assert.True(TimeProvider.System.GetUtcNow() < at, "they were not all there before they began to leak");

        // A captured kill, of every one.
        var done = await Eventually.Holds(
            async () => (await ground.CapturesAsync()).Where(capture => Text(capture["status"]?["outcome"]) == "OOMKilled" && IsStored(capture)).ToList(),
            captures => captures.Select(capture => Text(capture["spec"]!["podName"])).Distinct().Count() == Crowd,
            "a stored capture of every kill",
            TimeSpan.FromSeconds(180));
        Assert.Equal(Crowd, done.Count);
        // The sidecar's word is quicker than the kubelet's.
        var pods = await Eventually.Holds(
            () => ground.PodsAsync("crowd"), pods => pods.Count(pod => LastEnd(pod) is not null) == Crowd, "the kubelet tells how each ended", Patience);
        var (took, named) = (new List<double>(), 0);
        foreach (var pod in pods)
        {
            Assert.Equal(0, RestartsOf(pod, Names.SidecarContainer));
            var killed = DateTimeOffset.Parse(Text(LastEnd(pod)!["finishedAt"])!, CultureInfo.InvariantCulture);
            var capture = done.First(capture => IsOf(capture, NameOf(pod)));
            named += capture["status"]!["top"]?.ToJsonString().Contains("MemoryIntensiveFunc", StringComparison.Ordinal) == true ? 1 : 0;
            took.Add((DateTimeOffset.Parse(Text(Condition(capture, "Stored")!["lastTransitionTime"])!, CultureInfo.InvariantCulture) - killed).TotalSeconds);
        }
        Assert.InRange(named, Named, Crowd);
        took.Sort();
        Say($"{named} of {Crowd} name what leaked; from kill to a stored and recorded capture: p50 {took[took.Count / 2]:0} s, p99 {took[^1]:0} s");
        await SayFootprintAsync();

        // Asked for all at once, so many are under way and no more.
        await ground.ApplyAsync(string.Join("\n---\n", pods.Take(3 * RequestsAtOnce).Select((pod, i) => FollowingTests.Request(
            string.Create(CultureInfo.InvariantCulture, $"asked-{i}"), NameOf(pod), "[{type: Cpu, duration: 2s}]"))));
        var most = 0;
        await Eventually.Holds(
            async () =>
            {
                var asked = (await ground.CapturesAsync()).Where(capture => NameOf(capture).StartsWith("asked-", StringComparison.Ordinal)).ToList();
                most = Math.Max(most, asked.Count(capture => capture["status"]?["podUid"] is not null && Text(capture["status"]?["phase"]) is "Pending" or "Capturing"));
                return asked.Count(capture => Text(capture["status"]?["phase"]) is "Completed" or "Partial" or "Failed");
            },
            ended => ended == 3 * RequestsAtOnce,
            "all that was asked for has come to its end",
            TimeSpan.FromSeconds(180));
        Assert.InRange(most, 1, RequestsAtOnce);
    }

    private static JsonNode? LastEnd(JsonNode pod) => StatusOf(pod, "app")?["lastState"]?["terminated"] ?? StatusOf(pod, "app")?["state"]?["terminated"];

    /// <summary>What the kubelet says that operator and sidecars hold.</summary>
    private async Task SayFootprintAsync()
    {
        var nodes = Items(JsonNode.Parse((await Cluster.KubectlAsync("get", "nodes", "-o", "json")).AssertOk().Output)!);
        var sidecars = new List<double>();
        foreach (var node in nodes)
        {
            var stats = JsonNode.Parse((await Cluster.KubectlAsync("get", "--raw", $"/api/v1/nodes/{NameOf(node)}/proxy/stats/summary")).AssertOk().Output)!;
            foreach (var pod in stats["pods"]!.AsArray())
                foreach (var container in pod!["containers"]?.AsArray() ?? [])
                {
                    var mib = ((double?)container!["memory"]?["workingSetBytes"] ?? 0) / (1 << 20);
                    if (Text(container["name"]) == "operator")
                        Say($"operator {Text(pod["podRef"]!["name"])}: {mib:0.0} MiB");
                    if (Text(container["name"]) == Names.SidecarContainer)
                        sidecars.Add(mib);
                }
        }
        if (sidecars.Count > 0)
            Say($"{sidecars.Count} sidecars: {sidecars.Average():0.0} MiB on average, {sidecars.Max():0.0} MiB at most");
    }
}
