using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Runtime.Admission;

namespace Premortem.Operator.Policies;

/// <summary>
/// Admits the three kinds of premortem.dev, or says of everything that is wrong where it stands and what would be right. The schemas refuse
/// most of it before; what they cannot say, and what a server without CEL cannot, is refused here.
/// </summary>
internal static class PolicyValidator
{
    // kubectl prints a message and each warning as one paragraph; the server cuts warnings at 4 KiB together.
    private const int MostProblems = 20, MostProblemLength = 400;

    /// <param name="matchedNow">How many running pods the policy selects; null: not known.</param>
    /// <param name="policiesOf">All policies that could select a pod of a namespace, or for "" those of the cluster; null: not known.</param>
    public static AdmissionAnswer Validate(
        AdmissionRequest request, Func<PolicyView, int>? matchedNow = null, Func<string, IReadOnlyList<PolicyView>>? policiesOf = null)
    {
        if (request.Operation is not ("CREATE" or "UPDATE") || request.SubResource is not (null or "") || request.Object is not { } @object)
            return new AdmissionAnswer();
        var spec = @object["spec"];
        // Labels, finalizers and the like may change on what is invalid since the rules were tightened, and nothing may hold up a deletion.
        if (request.OldObject is { } old && (JsonNode.DeepEquals(spec, old["spec"]) || @object["metadata"]?["deletionTimestamp"] is not null))
            return new AdmissionAnswer();
        if (request.Kind is not (ProfilePolicy.Kind or ProfilePolicy.ClusterKind or "ProfileCapture"))
            return new AdmissionAnswer();
        if (spec is not JsonObject fields)
            return Refused(request, [new FieldProblem("spec", "is required")]);
        if (request.Kind == "ProfileCapture")
            return request.OldObject is not null
                ? Refused(request, [new FieldProblem("spec", "cannot be changed; create another ProfileCapture to capture again")])
                : Answer(request, RequestReader.Check(fields, "spec"), fields["trigger"] is null ? [] : [NoRequest()]);

        var view = PolicyView.From(new PolicyResource
        {
            Metadata = new ObjectMeta
            {
                Name = request.Name is { Length: > 0 } name ? name : "new",
                Namespace = request.Kind == ProfilePolicy.Kind ? request.Namespace ?? "default" : null,
            },
            Spec = fields,
        });
        return Answer(request, view.Reading.Errors, view.IsValid ? Warnings(view, matchedNow, policiesOf) : []);
    }

    private static AdmissionAnswer Answer(AdmissionRequest request, IReadOnlyList<FieldProblem> errors, IEnumerable<FieldProblem> warnings) =>
        errors.Count > 0
            ? Refused(request, errors)
            : new AdmissionAnswer { Warnings = [.. warnings.Take(MostProblems).Select(Shown)] };

    private static AdmissionAnswer Refused(AdmissionRequest request, IReadOnlyList<FieldProblem> errors)
    {
        var lines = errors.Take(MostProblems).Select(Shown).ToList();
        if (errors.Count > MostProblems)
            lines.Add($"and {errors.Count - MostProblems} more");
        var subject = request.Name is { Length: > 0 } name ? $"{request.Kind} {name}" : request.Kind;
        return new AdmissionAnswer
        {
            IsAllowed = false,
            Code = 422,
            Message = lines.Count == 1 ? $"{subject} is invalid: {lines[0]}" : $"{subject} is invalid:\n- {string.Join("\n- ", lines)}",
        };
    }

    private static string Shown(FieldProblem problem) =>
        problem.ToString() is { Length: > MostProblemLength } text ? text[..MostProblemLength] + "…" : problem.ToString();

    private static IEnumerable<FieldProblem> Warnings(
        PolicyView view, Func<PolicyView, int>? matchedNow, Func<string, IReadOnlyList<PolicyView>>? policiesOf)
    {
        var spec = view.Reading.Policy!.Spec;
        return
        [
            .. view.Reading.Warnings,
            .. UnreachableThresholds(spec),
            .. UnreachableCaptures(spec),
            .. CapturesThatAreCut(spec),
            .. matchedNow?.Invoke(view) == 0 ? new[] { NoPods(view) } : [],
            .. policiesOf is null ? [] : Shadowed(view, policiesOf(view.Namespace ?? "")),
        ];
    }

    /// <summary>A share is of the runtime's own limit; a number of bytes knows nothing of it.</summary>
    private static IEnumerable<FieldProblem> UnreachableThresholds(ProfilePolicySpec spec)
    {
        if (spec.Runtime != RuntimeKind.DotNet)
            yield break;
        for (var i = 0; i < spec.Triggers.Count; i++)
            if (spec.Triggers[i] is MemoryUsageTrigger { Threshold.Bytes: { } bytes })
                yield return new FieldProblem(
                    $"spec.triggers[{i}].memoryUsage.threshold",
                    $"a .NET heap ends at 75% of the container's limit by default, so that {Contracts.Quantity.Format(bytes)} is never reached where the limit is below "
                    + $"{Contracts.Quantity.ForPeople(bytes / 3 * 4)}; write a share like 85%, which is of the runtime's own limit, or set DOTNET_GCHeapHardLimitPercent");
    }

    private static IEnumerable<FieldProblem> UnreachableCaptures(ProfilePolicySpec spec)
    {
        if (spec.Runtime == RuntimeKind.Auto || !spec.Said.Contains("captures"))
            yield break;
        var missed = spec.Captures.Where(capture => !CaptureRequest.IsFor(capture.Type, spec.Runtime)).ToList();
        for (var i = 0; i < spec.Captures.Count; i++)
            if (missed.Contains(spec.Captures[i]))
                yield return new FieldProblem($"spec.captures[{i}].type", $"{spec.Captures[i].Type} is nothing that {spec.Runtime} has: it is passed over");
        if (missed.Count == spec.Captures.Count)
            yield return new FieldProblem("spec.captures", $"none of them can be had from {spec.Runtime}: nothing but the memory timeline is captured");
    }

    private static IEnumerable<FieldProblem> CapturesThatAreCut(ProfilePolicySpec spec)
    {
        var within = spec.Triggers.OfType<TimeToLimitTrigger>().OrderBy(trigger => trigger.Within).FirstOrDefault();
        if (within is null)
            yield break;
        for (var i = 0; i < spec.Captures.Count; i++)
            if (spec.Captures[i].Duration is { } duration && duration > within.Within)
                yield return new FieldProblem(
                    spec.Said.Contains("captures") ? $"spec.captures[{i}].duration" : "spec.captures",
                    $"{spec.Captures[i].Type} takes {Contracts.Durations.Format(duration)}, but the trigger {within.Name} fires {Contracts.Durations.Format(within.Within)} ahead of the limit: it is cut to the time that is left");
    }

    private static FieldProblem NoRequest() =>
        new("spec.trigger", "is set: this records a capture that a trigger made, and asks for none; leave trigger and policy out to capture now");

    private static FieldProblem NoPods(PolicyView view) => new(
        "spec.selector",
        view.Namespace is null
            ? "selects no pod that runs now: compare it with the labels of your pods, and spec.namespaceSelector with those of your namespaces"
            : $"selects no pod that runs now: compare it with 'kubectl get pods -n {view.Namespace} --show-labels'");

    /// <summary>Only where two policies certainly meet: a warning that is wrong is worse than none.</summary>
    private static IEnumerable<FieldProblem> Shadowed(PolicyView view, IReadOnlyList<PolicyView> others)
    {
        foreach (var other in others)
        {
            if (other.Policy is not { } winner || PolicyView.Compare(other, view) >= 0 || !Meet(view, other))
                continue;
            var container = view.Reading.Policy!.Spec.Containers.Concat(winner.Spec.Containers).FirstOrDefault("app");
            var fields = PolicyMerge.For(container, [view.Policy!, winner])?.Shadowed.Where(field => field.Policy == view.Policy!.Reference).Select(field => field.Path).ToList();
            if (fields is { Count: > 0 })
                yield return new FieldProblem(
                    fields[0],
                    $"does not count where {other.Kind} {other.FullName} selects the same pod: it comes first"
                    + (fields.Count > 1 ? $"; so it is with {string.Join(", ", fields.Skip(1))}" : ""));
        }
    }

    private static bool Meet(PolicyView view, PolicyView other)
    {
        var inOneNamespace = view.Namespace is not null
            ? other.Namespace == view.Namespace || (other.Namespace is null && IsEverything(other.NamespaceSelector))
            : other.Namespace is null && (IsEverything(other.NamespaceSelector) || IsEverything(view.NamespaceSelector)
                || JsonNode.DeepEquals(view.Spec["namespaceSelector"], other.Spec["namespaceSelector"]));
        return inOneNamespace
            && (IsEverything(view.Selector) || IsEverything(other.Selector) || JsonNode.DeepEquals(view.Spec["selector"], other.Spec["selector"]));
    }

    private static bool IsEverything(LabelSelector selector) => selector is { MatchLabels.Count: 0, MatchExpressions.Count: 0 };
}
