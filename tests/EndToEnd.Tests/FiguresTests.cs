using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using k8s;
using Premortem.Contracts;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>
/// The figures of docs/benchmarks.md that need pods. Nothing is asserted but that there is something to measure; they run when they are asked for:
/// <c>tests/Benchmarks/pods</c>. Each line that begins with a bar is a row.
/// </summary>
[Collection(Alone.Name)]
public sealed class FiguresTests(Ground all) : Story(all)
{
    private const int Lives = 10;
    private const int IdlePods = 10;

    private static readonly TimeSpan AtRest = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan InCapture = TimeSpan.FromSeconds(30);

    /// <summary>How many of so many lives, two side by side, have left a heap that names what leaked, and how long after the end that is known.</summary>
    [Theory(Explicit = true)]
    [InlineData("go", 100, 6)]
    [InlineData("go", 400, 6)]
    [InlineData("go", 1600, 6)]
    [InlineData("managed", 100, 6)]
    [InlineData("native", 100, 6)]
    public async Task Survival(string kind, int megabytesASecond, int count)
    {
        var shop = await OpenShopAsync("survival");
        await shop.ApplyPolicyAsync("leak", Policies.BeforeTheKill);
        var lives = new List<Life>();
        for (var i = 0; i < count; i += 2)
            foreach (var end in await Task.WhenAll(LiveAsync(shop, $"leak-{i}", kind, megabytesASecond), LiveAsync(shop, $"leak-{i + 1}", kind, megabytesASecond)))
                lives.Add(await LookAsync(shop, end, kind));

        Row(
            $"{kind}, {megabytesASecond} MB/s", lives.Count, lives.Count(life => life.IsOomKilled), lives.Count(life => life.HasWholeHeap), lives.Count(life => life.HasHeap),
            lives.Count(life => life.IsNamed), lives.Count(life => life.IsToldRight), Spread(lives.Where(life => life.Told is not null).Select(life => life.Told!.Value.TotalSeconds)));
    }

    /// <summary>From the call that makes a pod to its container's first moment, and to the sidecar's word that it knows where the profiles are.</summary>
    [Fact(Explicit = true)]
    public async Task Watching()
    {
        var shop = await OpenShopAsync("watching");
        await shop.ApplyPolicyAsync("hold", Policies.BeforeTheKill);
        foreach (var (app, what) in new[] { ("plain", "without a sidecar"), ("hold", "with it") })
        {
            var (running, watched) = (new List<double>(), new List<double>());
            for (var i = 0; i < Lives; i++)
            {
                var (clock, began) = (Stopwatch.StartNew(), TimeProvider.System.GetUtcNow());
                await shop.ApplyAsync(Pod(shop, $"{app}-{i}", app, "-mode hold -size 20 -spin=false"));
                await shop.Watch.UntilPodAsync(app, pod => pod.Name == $"{app}-{i}" && pod.IsRunning("app"), "it runs");
                running.Add(clock.Elapsed.TotalSeconds);
                if (app != "hold")
                    continue;
                await shop.Watch.UntilPodAsync(app, pod => pod.Name == $"{app}-{i}" && IsWatched(pod), "it is watched");
                // The sidecar reports what it has found every five seconds; its log says when that was.
                watched.Add((await FoundAsync(shop, $"{app}-{i}") - began).TotalSeconds);
            }
            Row($"pod {what}: runs", Spread(running));
            if (watched.Count > 0)
                Row($"pod {what}: watched", Spread(watched));
        }
    }

    /// <summary>What the kubelet says that sidecars cost, at rest and in a capture of the CPU and the heap.</summary>
    [Fact(Explicit = true)]
    public async Task Cost()
    {
        var shop = await OpenShopAsync("cost");
        await shop.ApplyPolicyAsync("hold", Policies.BeforeTheKill);
        await shop.ApplyAsync(shop.Deployment("hold", "go-leak", "-mode hold -size 60 -spin=false", pod: Policies.GoUser, replicas: IdlePods));
        var pods = await shop.Watch.UntilPodsAsync("hold", pods => pods.Count(IsWatched) == IdlePods, "all are watched");
        // The kubelet counts every ten seconds or so.
        await Task.Delay(AtRest / 3, TimeProvider.System);
        await SayCostAsync(shop, "at rest", AtRest);

        foreach (var pod in pods)
            await shop.ApplyAsync(FollowingTests.Request("asked-" + pod.Name, pod.Name, "[{type: Cpu, duration: 10s}, {type: Heap}]"));
        await SayCostAsync(shop, "in captures of 10 s of CPU and the heap", InCapture);
        await shop.Watch.UntilCapturesAsync(null, captures => captures.Count(capture => capture.IsStored) >= IdlePods, "all are stored");
    }

    private static async Task<DateTimeOffset> FoundAsync(Shop shop, string pod)
    {
        const int endpointFound = 202;
        var lines = (await shop.KubectlAsync("logs", pod, "-c", Names.SidecarContainer)).AssertOk().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var line = lines.Select(line => JsonNode.Parse(line)!).First(line => (int?)line["EventId"]?["Id"] == endpointFound);
        return DateTimeOffset.Parse((string)line["@t"]!, CultureInfo.InvariantCulture);
    }

    /// <param name="IsToldRight">Whether a record has the outcome that the kubelet tells.</param>
    /// <param name="Told">From the end to the first record that does, stored.</param>
    private sealed record Life(bool IsOomKilled, bool HasWholeHeap, bool HasHeap, bool IsNamed, bool IsToldRight, TimeSpan? Told);

    private sealed record End(string Pod, string Outcome, DateTimeOffset? Told);

    private static async Task<End> LiveAsync(Shop shop, string name, string kind, int rate)
    {
        var arguments = string.Create(CultureInfo.InvariantCulture, $"{(kind == "go" ? "" : $"-kind {kind} ")}-rate {rate} -delay 8s -spin=false");
        await shop.ApplyAsync(Pod(shop, name, "leak", arguments, kind == "go" ? "go-leak" : "dotnet-leak"));
        var ended = await shop.Watch.UntilPodAsync("leak", pod => pod.Name == name && pod.LastEnd("app") is not null, $"{name} ends", TimeSpan.FromSeconds(120));
        var outcome = ended.WasOomKilled("app") ? "OOMKilled" : "Exited";
        DateTimeOffset? told = null;
        try
        {
            await shop.Watch.UntilCaptureAsync(name, capture => capture.IsStored && capture.Outcome == outcome, "its record", TimeSpan.FromSeconds(60));
            told = TimeProvider.System.GetUtcNow();
            await shop.Watch.UntilCapturesAsync(name, captures => captures.All(capture => capture.IsStored), "all of its captures", TimeSpan.FromSeconds(60));
        }
        catch (Xunit.Sdk.XunitException e)
        {
            Say($"{name}: {e.Message}");
        }
        return new End(name, outcome, told);
    }

    private static async Task<Life> LookAsync(Shop shop, End end, string kind)
    {
        var stored = await shop.StoredAsync(end.Pod);
        var heaps = stored.SelectMany(capture => capture.Record.Artifacts).Where(artifact => artifact is { Type: "Heap", Sha256: not null }).ToList();
        return new Life(
            end.Outcome == "OOMKilled",
            heaps.Exists(artifact => artifact.IsComplete),
            heaps.Count > 0,
            (await shop.Watch.CapturesAsync(end.Pod)).Any(capture => capture.Top.Any(NamesTheLeak)),
            end.Told is not null,
            end.Told - stored.Max(capture => capture.Record.DiedAt));

        bool NamesTheLeak(string what) =>
            what.Contains("MemoryIntensiveFunc", StringComparison.Ordinal) || what.Contains("Shop.Orders", StringComparison.Ordinal) || (kind == "native" && what == Names.OutsideHeap);
    }

    private static string Pod(Shop shop, string name, string app, string arguments, string image = "go-leak") => $$$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{{name}}}, labels: {app: {{{app}}}}}
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 1
          {{{(image == "go-leak" ? Policies.GoUser : Policies.DotNetUser)}}}
          containers:
            - name: app
              image: {{{shop.Image(image)}}}
              imagePullPolicy: IfNotPresent
              args: [{{{string.Join(", ", arguments.Split(' ').Select(word => $"\"{word}\""))}}}]
              resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: {{{(image == "go-leak" ? "256Mi" : "512Mi")}}}}}
        """;

    private static bool IsWatched(PodView pod) => FaultsGround.IsWatched(JsonNode.Parse(KubernetesJson.Serialize(pod.Pod))!, "app");

    private async Task SayCostAsync(Shop shop, string what, TimeSpan duration)
    {
        var first = await SidecarsAsync(shop);
        var most = first.ToDictionary(item => item.Key, item => item.Value.WorkingSet);
        var last = first;
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < duration;)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
            last = await SidecarsAsync(shop);
            foreach (var (pod, use) in last)
                most[pod] = Math.Max(most.GetValueOrDefault(pod), use.WorkingSet);
        }
        var cpu = last.Where(item => first.ContainsKey(item.Key) && item.Value.At > first[item.Key].At).Select(item =>
            100 * (item.Value.CpuNanoseconds - first[item.Key].CpuNanoseconds) / (item.Value.At - first[item.Key].At).TotalNanoseconds).ToList();
        Assert.NotEmpty(cpu);
        Row($"sidecar {what}: working set, most of each (MiB)", Spread(most.Values.Select(bytes => bytes / (1 << 20))));
        Row($"sidecar {what}: share of a core (%)", Spread(cpu));
    }

    private sealed record Use(double WorkingSet, double CpuNanoseconds, DateTimeOffset At);

    private async Task<Dictionary<string, Use>> SidecarsAsync(Shop shop)
    {
        var found = new Dictionary<string, Use>();
        foreach (var node in (await Cluster.Client.CoreV1.ListNodeAsync()).Items)
        {
            var stats = JsonNode.Parse((await Cluster.KubectlAsync("get", "--raw", $"/api/v1/nodes/{node.Metadata.Name}/proxy/stats/summary")).AssertOk().Output)!;
            foreach (var pod in stats["pods"]!.AsArray().Where(pod => (string?)pod!["podRef"]!["namespace"] == shop.Name))
                foreach (var container in pod!["containers"]?.AsArray() ?? [])
                    if ((string?)container!["name"] == Names.SidecarContainer && container["cpu"]?["usageCoreNanoSeconds"] is { } cpu && container["memory"]?["workingSetBytes"] is { } memory)
                        found[(string)pod["podRef"]!["name"]!] = new Use((double)memory, (double)cpu, DateTimeOffset.Parse((string)container["cpu"]!["time"]!, CultureInfo.InvariantCulture));
        }
        return found;
    }

    private static string Spread(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? "–" : string.Create(CultureInfo.InvariantCulture, $"{sorted[sorted.Count / 2]:0.00} / {sorted[(int)Math.Ceiling(sorted.Count * 0.99) - 1]:0.00}");
    }

    private static void Row(params object[] cells) => Say($"| {string.Join(" | ", cells.Select(cell => Convert.ToString(cell, CultureInfo.InvariantCulture)))} |");
}
