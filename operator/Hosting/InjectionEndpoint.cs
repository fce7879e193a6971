using System.Diagnostics;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Runtime;
using Premortem.Runtime.Admission;

namespace Premortem.Operator.Hosting;

/// <summary>
/// <c>/admission/inject</c>: a pod is made, and <see cref="PodInjector"/> decides. Whatever goes wrong here, the pod is let through untouched,
/// and somebody is told.
/// </summary>
/// <param name="namespaceOf">Null: there is none of that name, or nobody could say in time.</param>
/// <param name="isReady">Whether all policies are known; before that nothing can be decided.</param>
internal sealed class InjectionEndpoint(
    Func<string, IReadOnlyList<PolicyView>> policiesFor,
    Func<string, CancellationToken, ValueTask<NamespaceView?>> namespaceOf,
    Func<InjectorOptions> options,
    Func<bool> isReady,
    Action<ObjectReference, EventKind, string, string> record,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger log)
{
    public const string Path = "/admission/inject";

    /// <summary>Why a pod was let through that might have been injected; docs/reference/reasons.md.</summary>
    public const string NotReady = nameof(NotReady);
    public const string NamespaceUnknown = nameof(NamespaceUnknown);
    public const string InjectionFailed = nameof(InjectionFailed);
    public const string MalformedReview = nameof(MalformedReview);
    public const string Injected = nameof(Injected);

    public async ValueTask<AdmissionAnswer> ReviewAsync(AdmissionRequest request, CancellationToken ct)
    {
        if (request is not { Operation: "CREATE", Kind: "Pod", SubResource: null or "", Object: { } pod, Namespace: { Length: > 0 } name })
            return new AdmissionAnswer();
        var started = time.GetTimestamp();
        try
        {
            return await ReviewAsync(request, pod, name, ct);
        }
        finally
        {
            metrics.InjectionDuration.Observe(time.GetElapsedTime(started).TotalSeconds);
        }
    }

    /// <summary>The pod was let through because of that; no request: what came was none.</summary>
    public void OnError(AdmissionRequest? request, Exception error)
    {
        var reason = request is null ? MalformedReview : error is TimeoutException ? Reasons.TimedOut : InjectionFailed;
        metrics.InjectionErrors.WithLabels(reason).Inc();
        metrics.Injections.WithLabels("error", reason).Inc();
        Log.InjectionFailed(log, error, request?.Namespace, NameOf(request));
        if (request is not null)
            Tell(request, EventKind.Warning, reason, $"No sidecar for {NameOf(request)}: the operator failed ({error.GetType().Name}); its log has more. New pods are looked at as before.");
    }

    private async ValueTask<AdmissionAnswer> ReviewAsync(AdmissionRequest request, JsonObject pod, string name, CancellationToken ct)
    {
        if (!isReady())
            return LetThrough(request, NotReady, "the operator does not know all policies yet; make the pod again in a moment");
        var policies = policiesFor(name);
        if (policies.Count == 0)
        {
            metrics.Injections.WithLabels("skipped", SkipReasons.NoPolicy).Inc();
            return new AdmissionAnswer();
        }
        if (await namespaceOf(name, ct) is not { } @namespace)
            return LetThrough(request, NamespaceUnknown, $"the labels of namespace {name} could not be read in time, so that no policy could be chosen; make the pod again in a moment");
        switch (PodInjector.Decide(pod, @namespace, policies, options()))
        {
            case InjectionDecision.Inject inject:
                var names = string.Join(',', inject.Policies.Select(policy => policy.FullName));
                metrics.Injections.WithLabels("injected", Injected).Inc();
                Log.Injected(log, name, NameOf(request), names, request.IsDryRun);
                return new AdmissionAnswer
                {
                    Patch = inject.Patch,
                    Warnings = inject.Warnings,
                    AuditAnnotations = new Dictionary<string, string> { ["policies"] = names },
                };
            case InjectionDecision.Skip skip:
                metrics.Injections.WithLabels("skipped", skip.Reason).Inc();
                if (!skip.IsWorthTelling)
                    return new AdmissionAnswer();
                Log.Skipped(log, name, NameOf(request), skip.Reason, skip.Detail);
                Tell(request, EventKind.Warning, skip.Reason, $"No sidecar for {NameOf(request)}: {skip.Detail}");
                return new AdmissionAnswer
                {
                    Warnings = [$"premortem: no sidecar: {skip.Reason}: {skip.Detail}"],
                    AuditAnnotations = new Dictionary<string, string> { ["skipped"] = skip.Reason },
                };
            default:
                throw new UnreachableException();
        }
    }

    private AdmissionAnswer LetThrough(AdmissionRequest request, string reason, string detail)
    {
        metrics.Injections.WithLabels("error", reason).Inc();
        metrics.InjectionErrors.WithLabels(reason).Inc();
        Log.LetThrough(log, request.Namespace, NameOf(request), reason, detail);
        Tell(request, EventKind.Warning, reason, $"No sidecar for {NameOf(request)}: {detail}");
        return new AdmissionAnswer { Warnings = [$"premortem: no sidecar: {detail}"] };
    }

    /// <summary>The pod may not be there yet: the event stands on who makes it.</summary>
    private void Tell(AdmissionRequest request, EventKind kind, string reason, string message)
    {
        if (request.IsDryRun || Owner(request) is not { } owner)
            return;
        record(owner, kind, reason, message);
    }

    private static ObjectReference? Owner(AdmissionRequest request)
    {
        if (request.Object?["metadata"] is not JsonObject metadata || metadata["ownerReferences"] is not JsonArray owners)
            return null;
        foreach (var owner in owners.OfType<JsonObject>())
            if (Text(owner, "apiVersion") is { } version && Text(owner, "kind") is { } kind && Text(owner, "name") is { } name && Text(owner, "uid") is { } uid
                && owner["controller"] is JsonValue value && value.TryGetValue<bool>(out var isController) && isController)
                return new ObjectReference(version, kind, request.Namespace, name, uid);
        return null;
    }

    private static string NameOf(AdmissionRequest? request)
    {
        if (request?.Name is { Length: > 0 } name)
            return name;
        var metadata = request?.Object?["metadata"] as JsonObject;
        return Text(metadata, "name") ?? (Text(metadata, "generateName") is { } start ? start + "*" : "a pod");
    }

    private static string? Text(JsonObject? from, string field) =>
        from?[field] is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;
}
