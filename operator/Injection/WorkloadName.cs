namespace Premortem.Operator.Injection;

/// <summary>What a pod belongs to, by the name that its user gave it. It is part of every key in the bucket.</summary>
internal static class WorkloadName
{
    public static string Of(PodView pod)
    {
        var owner = pod.Metadata.Children("ownerReferences").FirstOrDefault(reference => reference.Flag("controller") == true);
        if (owner is null)
            return pod.Metadata.Text("name") is { Length: > 0 } name ? name : (pod.Metadata.Text("generateName") ?? "").TrimEnd('-');
        var ownerName = owner.RequiredText("name");
        return owner.Text("kind") switch
        {
            "ReplicaSet" => OfReplicaSet(ownerName, pod.Labels),
            "Job" => OfJob(ownerName),
            _ => ownerName,
        };
    }

    /// <summary>A Deployment's ReplicaSets, and a Rollout's, end with the hash that their pods have as a label.</summary>
    private static string OfReplicaSet(string name, IReadOnlyDictionary<string, string> labels)
    {
        foreach (var label in (ReadOnlySpan<string>)["pod-template-hash", "rollouts-pod-template-hash"])
            if (labels.TryGetValue(label, out var hash) && hash.Length > 0 && name.Length > hash.Length + 1 && name.EndsWith("-" + hash, StringComparison.Ordinal))
                return name[..^(hash.Length + 1)];
        return name;
    }

    /// <summary>A CronJob's Jobs end with the time they were due: minutes since 1970, formerly seconds. A Job <c>migrate-2</c> has no such number.</summary>
    private static string OfJob(string name)
    {
        var dash = name.LastIndexOf('-');
        var digits = name.AsSpan(dash + 1);
        return dash > 0 && digits.Length is >= 8 and <= 10 && !digits.ContainsAnyExceptInRange('0', '9') ? name[..dash] : name;
    }
}
