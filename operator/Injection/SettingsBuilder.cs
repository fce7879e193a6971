using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>Makes the content of the annotation <see cref="Names.ConfigAnnotation"/>, at injection and whenever a policy changes.</summary>
internal static class SettingsBuilder
{
    /// <summary>More than these no sidecar takes.</summary>
    public const int MostPolicies = 64;

    /// <summary>Made once a policy and not once a pod. Nobody changes them.</summary>
    private static readonly ConditionalWeakTable<PolicyView, AppliedPolicy> AppliedPolicies = [];

    /// <param name="policies">Those that select the pod, the one that wins first.</param>
    /// <param name="current">
    /// What the pod has now, or null. Of a policy that is invalid now, what stands there stays: the last good one.
    /// </param>
    /// <returns>The JSON, the same for the same input to the last byte.</returns>
    public static string Build(IReadOnlyList<PolicyView> policies, PodFacts pod, string? current, IReadOnlyList<RequestedCapture> requests, ReportSettings? report)
    {
        var before = current is null ? null : SettingsReader.Read(current).Settings;
        var spool = pod.SpoolBytes ?? before?.SpoolBytes;
        var applied = new List<AppliedPolicy>(policies.Count);
        foreach (var policy in policies.Take(MostPolicies))
            if ((policy.IsValid ? AppliedPolicies.GetValue(policy, Apply) : LastGood(policy, before)) is { } it)
                applied.Add(HeldTo(spool, it));
        return SettingsWriter.Write(new SidecarSettings
        {
            Revision = "",
            Policies = applied,
            Containers = pod.Containers,
            EndsWithTargets = pod.EndsWith is not null,
            RestartPolicy = pod.EndsWith,
            SpoolBytes = spool,
            Report = report,
            Requests = requests,
        });
    }

    /// <summary>The most that captures of any of them may hold: what a pod is given room for when it is made.</summary>
    public static long SpoolBytes(IEnumerable<PolicyView> valid) => valid.Max(policy => policy.Reading.Policy!.Spec.Limits.SpoolBytes);

    private static AppliedPolicy Apply(PolicyView policy) =>
        new(policy.Kind, policy.Name, policy.Namespace, policy.Generation, SettingsWriter.SpecForSidecar(policy.Spec));

    private static AppliedPolicy? LastGood(PolicyView policy, SidecarSettings? before) =>
        before?.Policies.FirstOrDefault(applied => applied.Kind == policy.Kind && applied.Name == policy.Name && applied.Namespace == policy.Namespace);

    /// <summary>
    /// The pod's volume keeps the size that it was made with, and the kubelet evicts a pod whose volume outgrows it: a policy that grants
    /// more later grants it to new pods.
    /// </summary>
    private static AppliedPolicy HeldTo(long? spoolBytes, AppliedPolicy policy)
    {
        if (spoolBytes is not { } most || SpoolOf(policy.Spec) <= most)
            return policy;
        var spec = policy.Spec.DeepClone().AsObject();
        if (spec["limits"] is not JsonObject)
            spec["limits"] = new JsonObject();
        spec["limits"]!["spool"] = Quantity.Format(most);
        return policy with { Spec = spec };
    }

    private static long SpoolOf(JsonObject spec) => spec["limits"]?["spool"] switch
    {
        null => new CaptureLimits().SpoolBytes,
        var node => Quantity.TryParse(node.GetValueKind() == System.Text.Json.JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString(), out var bytes) ? bytes : 0,
    };
}
