using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Contracts;

namespace Premortem.Cli.Pods;

/// <summary>A pod as users name it: by its name, <c>pod/NAME</c>, or by what made it, such as <c>deploy/NAME</c>.</summary>
/// <param name="Resource">For kubectl: <c>pods</c>, or the kind of workload with its group.</param>
internal sealed record PodReference(string Resource, string Name)
{
    private const string Pods = "pods";

    internal bool IsPod => Resource == Pods;

    /// <exception cref="VerbException">It names no kind that has pods.</exception>
    internal static PodReference Parse(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var (kind, name) = slash < 0 ? ("pod", text) : (text[..slash], text[(slash + 1)..]);
        // It would be a flag of kubectl's.
        if (name.Length is 0 or > 253 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.') || name[0] == '-')
            throw VerbException.Usage($"'{Printable.Of(text, 100)}' is no pod: write NAME, pod/NAME or deploy/NAME");
        return kind switch
        {
            "pod" or "pods" or "po" => new PodReference(Pods, name),
            "deployment" or "deployments" or "deploy" => new PodReference("deployments.apps", name),
            "statefulset" or "statefulsets" or "sts" => new PodReference("statefulsets.apps", name),
            "daemonset" or "daemonsets" or "ds" => new PodReference("daemonsets.apps", name),
            "replicaset" or "replicasets" or "rs" => new PodReference("replicasets.apps", name),
            "job" or "jobs" => new PodReference("jobs.batch", name),
            _ => throw VerbException.Usage($"'{Printable.Of(kind, 60)}' is no kind that has pods: there are pod, deploy, sts, ds, rs and job"),
        };
    }

    /// <summary>The pod itself; of a workload's pods the newest that runs, one with a sidecar before one without. Null: the workload has none.</summary>
    internal async Task<(JsonElement? Pod, JsonElement? Workload)> FindAsync(Kubectl kubectl, IReadOnlyList<string> scope, CancellationToken ct)
    {
        using var found = await kubectl.GetAsync(Resource, [Name, .. scope], ct);
        if (found is null)
            throw new VerbException(
                $"there is no {(IsPod ? "pod" : Resource.Split('.')[0].TrimEnd('s'))} '{Name}'{(scope is [_, var ns] ? $" in the namespace {ns}" : " in this namespace (-n names another one)")}: kubectl get {Resource.Split('.')[0]} lists them");
        if (IsPod)
            return (found.RootElement.Clone(), null);
        var workload = found.RootElement.Clone();
        if (SelectorOf(workload.Member("spec", "selector")) is not { Length: > 0 } selector)
            return (null, workload);
        using var list = await kubectl.GetAsync(Pods, [$"--selector={selector}", .. scope], ct);
        var pods = list?.RootElement.Items("items")
            .Where(pod => pod.Member("metadata", "deletionTimestamp").ValueKind == JsonValueKind.Undefined && pod.Member("status").Text("phase") is not ("Succeeded" or "Failed"))
            .OrderByDescending(pod => pod.Member("status").Text("phase") == "Running")
            .ThenByDescending(IsInjected)
            .ThenByDescending(pod => pod.Member("metadata").Time("creationTimestamp") ?? DateTimeOffset.MinValue)
            .Select(pod => pod.Clone())
            .ToList();
        return (pods is [var first, ..] ? first : null, workload);
    }

    internal static bool IsInjected(JsonElement pod) =>
        pod.Member("metadata", "labels").Text(Names.InjectedLabel) == "true"
        && pod.Member("spec").Items("containers").Concat(pod.Member("spec").Items("initContainers")).Any(container => container.Text("name") == Names.SidecarContainer);

    /// <summary>A LabelSelector as kubectl's flag takes it.</summary>
    private static string SelectorOf(JsonElement selector)
    {
        var parts = new List<string>();
        if (selector.Member("matchLabels") is { ValueKind: JsonValueKind.Object } labels)
            foreach (var label in labels.EnumerateObject())
                parts.Add($"{label.Name}={label.Value}");
        foreach (var expression in selector.Items("matchExpressions"))
        {
            var (key, values) = (expression.Text("key"), string.Join(',', expression.Items("values").Select(value => value.ToString())));
            parts.Add(expression.Text("operator") switch
            {
                "In" => $"{key} in ({values})",
                "NotIn" => $"{key} notin ({values})",
                "DoesNotExist" => $"!{key}",
                _ => key,
            });
        }
        return string.Join(',', parts);
    }
}
