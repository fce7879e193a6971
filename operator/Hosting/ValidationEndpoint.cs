using Premortem.Runtime.Admission;

namespace Premortem.Operator.Hosting;

/// <summary><c>/admission/validate</c>: a policy or a capture is made or changed, and <c>PolicyValidator</c> decides.</summary>
internal sealed class ValidationEndpoint(Func<AdmissionRequest, AdmissionAnswer> validate, OperatorMetrics metrics, ILogger log)
{
    public const string Path = "/admission/validate";

    // What else somebody may send here; label values are not theirs to choose.
    private const string OtherKind = "other";

    public ValueTask<AdmissionAnswer> ReviewAsync(AdmissionRequest request, CancellationToken ct)
    {
        var answer = validate(request);
        metrics.Validations.WithLabels(Kind(request), !answer.IsAllowed ? "refused" : answer.Warnings.Count > 0 ? "warned" : "allowed").Inc();
        return ValueTask.FromResult(answer);
    }

    public void OnError(AdmissionRequest? request, Exception error)
    {
        metrics.Validations.WithLabels(Kind(request), "error").Inc();
        Log.ValidationFailed(log, error, request?.Kind, request?.Name);
    }

    private static string Kind(AdmissionRequest? request) => request?.Kind is "ProfilePolicy" or "ClusterProfilePolicy" or "ProfileCapture" ? request.Kind : OtherKind;
}
