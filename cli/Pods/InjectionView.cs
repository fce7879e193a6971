using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Cli.Cluster;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Cli.Pods;

/// <summary>Whether a pod has the sidecar, and why not, by the operator's own rules on what the cluster has now.</summary>
/// <param name="Reason">A word of docs/reference/reasons.md; <c>Injected</c> where it has one.</param>
/// <param name="Policies">Those that select it, the one that wins first.</param>
/// <param name="Warnings">What the operator would warn of.</param>
/// <param name="Unread">What could not be read, so that it was left out of account.</param>
internal sealed record InjectionView(bool IsInjected, string Reason, string Detail, IReadOnlyList<PolicyView> Policies, IReadOnlyList<string> Warnings, IReadOnlyList<string> Unread)
{
    internal const string Injected = nameof(Injected);
    internal const string WouldInject = nameof(WouldInject);

    private const string Webhook = "mutatingwebhookconfigurations.admissionregistration.k8s.io";

    /// <param name="pod">The pod, or the template of one that there is none of yet.</param>
    internal static async Task<InjectionView> OfAsync(Kubectl kubectl, JsonElement pod, string ns, bool isTemplate, CancellationToken ct)
    {
        var unread = new List<string>();
        using var @namespace = await kubectl.TryGetAsync("namespaces", [ns], ct);
        using var own = await kubectl.TryGetAsync(Kubectl.Policies, ["-n", ns], ct);
        using var wide = await kubectl.TryGetAsync(Kubectl.ClusterPolicies, [], ct);
        using var webhook = await kubectl.TryGetAsync(Webhook, ["premortem"], ct);
        if (@namespace is null)
            unread.Add($"the labels of the namespace {ns}");
        if (own is null)
            unread.Add($"the ProfilePolicies of {ns}");
        if (wide is null)
            unread.Add("the ClusterProfilePolicies");
        var (home, excluded) = webhook is null ? ("", []) : WebhookSays(webhook.RootElement);
        var policies = ReadPolicies(own).Concat(ReadPolicies(wide)).ToList();
        var labels = Labels(@namespace?.RootElement.Member("metadata", "labels") ?? default);
        var options = new InjectorOptions { SidecarImage = "", OperatorNamespace = home, ExcludedNamespaces = excluded };
        var view = new NamespaceView(ns, labels);
        var document = JsonNode.Parse(pod.GetRawText())!.AsObject();
        if (PodReference.IsInjected(pod))
        {
            var selecting = PolicySelector.Select(Labels(pod.Member("metadata", "labels")), view, policies);
            return new InjectionView(
                true,
                Injected,
                selecting.Count > 0 ? "it has the sidecar" : "it has the sidecar, and no policy selects it any more: nothing is watched",
                selecting,
                [],
                unread);
        }
        switch (PodInjector.Decide(document, view, policies, options))
        {
            case InjectionDecision.Skip skip:
                // What nobody may read may be what selects it.
                return new InjectionView(false, skip.Reason, skip.Reason == SkipReasons.NoPolicy ? NoPolicy(policies, view) : skip.Detail, skip.Policies, [], unread);
            case InjectionDecision.Inject inject when isTemplate:
                return new InjectionView(false, WouldInject, "its next pod gets the sidecar", inject.Policies, inject.Warnings, unread);
            case InjectionDecision.Inject inject:
                return new InjectionView(false, SkipReasons.NotSeen, NotSeen(pod, inject.Policies, webhook is null), inject.Policies, inject.Warnings, unread);
            default:
                throw new InvalidOperationException();
        }
    }

    private static string NoPolicy(List<PolicyView> policies, NamespaceView ns)
    {
        var near = policies.Where(policy => PolicySelector.IsIn(policy, ns)).Select(policy => policy.FullName).ToList();
        return policies.Count == 0 ? "there is no policy in the namespace, nor a cluster-wide one"
            : near.Count == 0 ? $"the namespaceSelector of {string.Join(", ", policies.Select(policy => policy.FullName))} does not select the namespace {ns.Name}"
            : $"the selector of {string.Join(", ", near)} does not select the pod's labels";
    }

    private static string NotSeen(JsonElement pod, IReadOnlyList<PolicyView> policies, bool hasNoWebhook)
    {
        var made = pod.Member("metadata").Time("creationTimestamp");
        var policy = policies.Where(one => one.CreatedAt is not null).MinBy(one => one.CreatedAt);
        var why = policy?.CreatedAt > made
            ? string.Create(CultureInfo.InvariantCulture, $"the pod is older than {policy!.FullName}")
            : hasNoWebhook
                ? "no operator answered when it was made; there is no MutatingWebhookConfiguration premortem, or you may not read it"
                : "no operator answered when it was made, or its policy or namespace was another then";
        return $"{why}: make it anew, with kubectl rollout restart";
    }

    /// <summary>Where the operator is, and in which namespaces the server does not ask it.</summary>
    private static (string Home, IReadOnlyList<string> Excluded) WebhookSays(JsonElement configuration)
    {
        var (home, excluded) = ("", new List<string>());
        foreach (var webhook in configuration.Items("webhooks"))
        {
            home = webhook.Member("clientConfig", "service").Text("namespace");
            foreach (var expression in webhook.Member("namespaceSelector").Items("matchExpressions"))
                if (expression.Text("key") == "kubernetes.io/metadata.name" && expression.Text("operator") == "NotIn")
                    excluded.AddRange(expression.Items("values").Select(value => value.ToString()));
        }
        return (home, excluded);
    }

    private static IEnumerable<PolicyView> ReadPolicies(JsonDocument? list)
    {
        foreach (var item in list?.RootElement.Items("items") ?? [])
        {
            var metadata = item.Member("metadata");
            yield return PolicyView.From(new PolicyResource
            {
                Metadata = new ObjectMeta
                {
                    Name = metadata.Text("name"),
                    Namespace = metadata.Text("namespace") is { Length: > 0 } ns ? ns : null,
                    Uid = metadata.Text("uid"),
                    Generation = metadata.Number("generation"),
                    CreationTimestamp = metadata.Time("creationTimestamp"),
                },
                Spec = item.Member("spec") is { ValueKind: JsonValueKind.Object } spec ? JsonNode.Parse(spec.GetRawText())!.AsObject() : null,
            });
        }
    }

    private static Dictionary<string, string> Labels(JsonElement labels) =>
        labels.ValueKind == JsonValueKind.Object
            ? labels.EnumerateObject().ToDictionary(label => label.Name, label => label.Value.ToString(), StringComparer.Ordinal)
            : [];
}
