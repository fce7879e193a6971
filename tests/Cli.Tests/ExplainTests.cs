using System.Text.Json.Nodes;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class ExplainTests : IDisposable
{
    private const string Policy = """
        {"metadata":{"name":"checkout","namespace":"shop","uid":"1","generation":1,"creationTimestamp":"2026-03-01T12:00:00Z"},
         "spec":{"selector":{"matchLabels":{"app":"checkout"}},"triggers":[{"name":"near-limit","memoryUsage":{"threshold":"85%"}},{"name":"nightly","schedule":{"cron":"0 3 * * *"}}],
          "storage":{"s3":{"bucket":"profiles"}}}}
        """;

    private readonly FakeCluster _cluster = new FakeCluster()
        .With("namespaces.shop.json", """{"metadata":{"name":"shop","labels":{"kubernetes.io/metadata.name":"shop"}}}""")
        .With("profilepolicies.premortem.dev.json", $$"""{"items":[{{Policy}}]}""")
        .With("mutatingwebhookconfigurations.admissionregistration.k8s.io.premortem.json", """
            {"webhooks":[{"clientConfig":{"service":{"namespace":"premortem-system"}},"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["legacy"]}]}}]}
            """);

    public void Dispose() => _cluster.Dispose();

    [Theory]
    [InlineData("", "app: web", "not injected: NoPolicy: the selector of shop/checkout does not select the pod's labels")]
    [InlineData("premortem.dev/inject: \"false\"", "app: checkout", "not injected: OptedOut: ")]
    [InlineData("", "app: checkout", "not injected: NotSeen: the pod is older than shop/checkout: make it anew, with kubectl rollout restart")]
    public void A_pod_without_a_sidecar_is_told_why(string annotation, string label, string says)
    {
        var annotations = annotation.Length == 0 ? "{}" : "{\"premortem.dev/inject\":\"false\"}";
        _cluster.With("pods.a.json", Pod($$"""{"app":"{{label[5..]}}"}""", annotations));

        var (exitCode, output, errors) = _cluster.Run("explain", "a", "-n", "shop");

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_excluded_namespace_is_known_from_the_webhook()
    {
        _cluster.With("pods.a.json", Pod("""{"app":"checkout"}""", "{}").Replace("\"shop\"", "\"legacy\"", StringComparison.Ordinal))
            .With("profilepolicies.premortem.dev.json", $$"""{"items":[{{Policy.Replace("\"shop\"", "\"legacy\"", StringComparison.Ordinal)}}]}""");

        Assert.Contains("not injected: ExcludedNamespace: ", _cluster.Run("explain", "a", "-n", "legacy").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pod_with_a_sidecar_is_told_what_it_found_and_what_fires_next()
    {
        Injected();

        var (exitCode, output, errors) = _cluster.Run("explain", "pod/a", "-n", "shop");

        Assert.Equal((0, ""), (exitCode, errors));
        foreach (var line in new[]
        {
            "pod shop/a",
            "  injected: it has the sidecar",
            "  policies: shop/checkout",
            "  sidecar: running since 2026-03-01T12:05:00Z, 1 restarts, 0.1.0",
            "    it ended before: OOMKilled, exit code 137, at 2026-03-01T12:04:59Z: give it more memory in spec.sidecar.resources of its policy",
            "  storage: s3://profiles/ can be written",
            "    runtime: Go",
            "    profiles: http://127.0.0.1:6060/debug/pprof",
            "    memory: read from cgroup v2",
            "    ceiling: 256 MiB",
            "    next: near-limit (memoryUsage, shop/checkout): at 217.6 MiB (85% of 256 MiB): 89.6 MiB more than now",
            "    2026-03-01 12:06:00 app: trigger near-limit holds: Cooldown: until 12:16",
        })
            Assert.Contains(line + "\n", output, StringComparison.Ordinal);
        Assert.Contains("used: 128 MiB, by the sidecar's log, ", output, StringComparison.Ordinal);
        Assert.Contains("    then: nightly (schedule, shop/checkout): next at ", output, StringComparison.Ordinal);
        // The endpoint was found later.
        Assert.DoesNotContain("no profiles yet", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_same()
    {
        Injected();

        var explained = JsonNode.Parse(_cluster.Run("explain", "a", "-n", "shop", "-o", "json").Output)!;

        Assert.True((bool)explained["injected"]!);
        Assert.Equal("near-limit", (string?)explained["containers"]![0]!["triggers"]![0]!["name"]);
        Assert.Equal(134217728, (long)explained["containers"]![0]!["usedBytes"]!);
        Assert.Equal("Go", (string?)explained["sidecar"]!["status"]!["targets"]![0]!["runtime"]);
    }

    [Fact]
    public void A_deployment_without_pods_is_told_what_its_next_pod_gets()
    {
        _cluster.With("deployments.apps.checkout.json", """
            {"metadata":{"name":"checkout","namespace":"shop"},"spec":{"selector":{"matchLabels":{"app":"checkout"}},
             "template":{"metadata":{"labels":{"app":"checkout"}},"spec":{"containers":[{"name":"app","image":"checkout"}]}}}}
            """);

        var (exitCode, output, _) = _cluster.Run("explain", "deploy/checkout", "-n", "shop");

        Assert.Equal(0, exitCode);
        Assert.Contains("would be injected: its next pod gets the sidecar", output, StringComparison.Ordinal);
        Assert.Contains("policies: shop/checkout", output, StringComparison.Ordinal);
        Assert.Contains("--selector=app=checkout", _cluster.Calls, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("explain", "b")]
    [InlineData("explain", "deploy/b")]
    public void What_is_not_there_is_told(params string[] args)
    {
        var (exitCode, _, errors) = _cluster.Run(args);

        Assert.Equal(1, exitCode);
        Assert.Contains("'b' in this namespace (-n names another one)", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("explain", "service/b")]
    [InlineData("explain", "pod/--all")]
    [InlineData("explain", "a", "-o", "yaml")]
    public void What_is_not_understood_ends_with_2(params string[] args) => Assert.Equal(2, _cluster.Run(args).ExitCode);

    private void Injected()
    {
        var config = new JsonObject
        {
            ["schema"] = "premortem.dev/settings/v1",
            ["revision"] = "r1",
            ["policies"] = new JsonArray(new JsonObject
            {
                ["kind"] = "ProfilePolicy", ["name"] = "checkout", ["namespace"] = "shop", ["generation"] = 1,
                ["spec"] = new JsonObject
                {
                    ["triggers"] = JsonNode.Parse(Policy)!["spec"]!["triggers"]!.DeepClone(),
                    ["storage"] = JsonNode.Parse(Policy)!["spec"]!["storage"]!.DeepClone(),
                },
            }),
            ["containers"] = new JsonArray(new JsonObject { ["name"] = "app", ["memoryLimitBytes"] = 268435456 }),
        };
        var status = """
            {"revision":"r1","storage":{"reachable":true,"location":"s3://profiles/"},"version":"0.1.0",
             "targets":[{"container":"app","runtime":"Go","profiles":"http://127.0.0.1:6060/debug/pprof","memorySource":"cgroup v2","ceilingBytes":268435456}]}
            """;
        var annotations = new JsonObject { ["premortem.dev/policies"] = "shop/checkout", ["premortem.dev/config"] = config.ToJsonString(), ["premortem.dev/status"] = status };
        var pod = JsonNode.Parse(Pod("""{"app":"checkout","premortem.dev/injected":"true"}""", annotations.ToJsonString()))!;
        pod["spec"]!["containers"]!.AsArray().Add(JsonNode.Parse("""{"name":"premortem"}"""));
        pod["status"] = JsonNode.Parse("""
            {"phase":"Running","containerStatuses":[{"name":"premortem","restartCount":1,"state":{"running":{"startedAt":"2026-03-01T12:05:00Z"}},
             "lastState":{"terminated":{"reason":"OOMKilled","exitCode":137,"finishedAt":"2026-03-01T12:04:59Z"}}}]}
            """);
        _cluster.With("pods.a.json", pod.ToJsonString()).With("logs.a", """
            {"@t":"2026-03-01T12:05:01Z","@m":"app: no profiles yet: EndpointNotFound: nothing listens","@l":"Warning","Container":"app","EventId":{"Id":203,"Name":"EndpointMissing"}}
            {"@t":"2026-03-01T12:05:02Z","@m":"app: profiles at http://127.0.0.1:6060/debug/pprof","Container":"app","EventId":{"Id":202,"Name":"EndpointFound"}}
            something else entirely
            {"@t":"2026-03-01T12:05:30Z","@m":"app: 128MiB of 256MiB (50 %), 1MiB/s, ceiling in 128.0 s","Container":"app","Used":"128 MiB","Ceiling":"256MiB","EventId":{"Id":300,"Name":"MemoryAt"}}
            {"@t":"2026-03-01T12:06:00Z","@m":"app: trigger near-limit holds: Cooldown: until 12:16","Container":"app","Trigger":"near-limit","EventId":{"Id":401,"Name":"Held"}}
            """);
    }

    private static string Pod(string labels, string annotations) => $$$"""
        {"metadata":{"name":"a","namespace":"shop","creationTimestamp":"2026-03-01T11:00:00Z","labels":{{{labels}}},"annotations":{{{annotations}}} },
         "spec":{"containers":[{"name":"app","image":"checkout","resources":{"limits":{"memory":"256Mi"} } }]},"status":{"phase":"Running"}}
        """;
}
