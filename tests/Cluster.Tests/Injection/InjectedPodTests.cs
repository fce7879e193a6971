using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Tests.Injection;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Injection;

/// <summary>The API server's own word on what the injector makes: every golden case, created as a dry run.</summary>
public sealed class InjectedPodTests
{
    private static readonly string[] Lists = ["initContainers", "containers"];

    [Fact]
    public async Task Every_pod_that_the_server_takes_it_takes_with_the_sidecar_and_loses_nothing_of_it()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var problems = new List<string>();
        foreach (var (@case, patched) in Injected())
        {
            var isStrict = server.Has(KubeFeature.FieldValidation) && @case.Name != "fields-that-nobody-knows-yet-survive";
            if (await CreateAsync(server, ns.Name, @case.Pod, isStrict) is (false, _, var before))
                problems.Add($"{@case.Name} is no good pod: {before}");
            var (isTaken, stored, message) = await CreateAsync(server, ns.Name, patched, isStrict);
            if (!isTaken)
            {
                problems.Add($"{@case.Name}: {message}");
                continue;
            }
            var losses = new List<string>();
            Compare(Sidecar(patched), Sidecar(stored!), "premortem", losses);
            Compare(patched["metadata"]!["annotations"]!, stored!["metadata"]!["annotations"]!, "annotations", losses);
            foreach (var volume in patched["spec"]!["volumes"]!.AsArray())
                Compare(volume!, stored["spec"]!["volumes"]!.AsArray().First(one => Name(one) == Name(volume))!, $"volume {Name(volume)}", losses);
            if (!server.Has(KubeFeature.NativeSidecars))
                losses.Remove("premortem.restartPolicy");
            problems.AddRange(losses.Select(loss => $"{@case.Name}: {loss} is lost"));
        }
        Assert.True(problems.Count == 0, string.Join("\n", problems));
    }

    [Fact]
    public async Task What_a_restricted_namespace_takes_it_takes_with_the_sidecar()
    {
        var server = await KubeApiServer.SharedAsync();
        KubeNeed.Server(server, KubeFeature.PodSecurity);
        await using var ns = await server.NewNamespaceAsync(new Dictionary<string, string> { ["pod-security.kubernetes.io/enforce"] = "restricted" });
        var restricted = 0;
        foreach (var (@case, patched) in Injected())
            foreach (var (pod, which) in new[] { (@case.Pod, "before"), (patched, "after") })
            {
                var (isTaken, _, message) = await CreateAsync(server, ns.Name, pod, isStrict: false);
                // Our own reading of the standard, by which the unit tests go, is the server's.
                var expected = PodSecurity.Restricted(pod);
                Assert.True(isTaken == (expected.Count == 0), $"{@case.Name} {which}: {message}; expected {string.Join("; ", expected)}");
                restricted += isTaken ? 1 : 0;
            }
        Assert.True(restricted >= 6, $"{restricted} were taken");
    }

    private static IEnumerable<(InjectionCase Case, JsonObject Patched)> Injected()
    {
        foreach (var name in InjectionCase.Names)
        {
            var @case = InjectionCase.Load(name);
            if (@case.Decide() is not InjectionDecision.Inject inject)
                continue;
            var patched = JsonPatch.Apply(@case.Pod, inject.Patch).AsObject();
            foreach (var pod in (JsonObject[])[@case.Pod, patched])
            {
                var metadata = pod["metadata"] as JsonObject;
                if (metadata is null)
                    pod["metadata"] = metadata = [];
                if (metadata["name"] is null && metadata["generateName"] is null)
                    metadata["name"] = "nameless";
            }
            yield return (@case, patched);
        }
    }

    private static async Task<(bool IsTaken, JsonNode? Stored, string Message)> CreateAsync(KubeApiServer server, string ns, JsonObject pod, bool isStrict)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, $"/api/v1/namespaces/{ns}/pods?dryRun=All{(isStrict ? "&fieldValidation=Strict" : "")}"))
        {
            Content = new StringContent(pod.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        var client = server.Client;
        if (client.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, TestContext.Current.CancellationToken);
        using var response = await client.HttpClient.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        return response.StatusCode == HttpStatusCode.Created ? (true, answer, "") : (false, null, answer["message"]!.GetValue<string>());
    }

    private static JsonNode Sidecar(JsonNode pod) =>
        Lists.SelectMany(list => pod["spec"]![list] as JsonArray ?? []).Single(container => Name(container) == Names.SidecarContainer)!;

    private static string Name(JsonNode? node) => node!["name"]!.GetValue<string>();

    /// <summary>The server adds defaults; what was sent has to be there.</summary>
    private static void Compare(JsonNode sent, JsonNode? stored, string path, List<string> losses)
    {
        switch (sent, stored)
        {
            case (JsonObject fields, JsonObject has):
                foreach (var (name, value) in fields)
                    if (value is not null)
                        Compare(value, has[name], $"{path}.{name}", losses);
                break;
            case (JsonArray items, JsonArray has) when items.Count == has.Count:
                for (var i = 0; i < items.Count; i++)
                    Compare(items[i]!, has[i], $"{path}[{i}]", losses);
                break;
            default:
                if (!JsonNode.DeepEquals(sent, stored))
                    losses.Add(path);
                break;
        }
    }
}
