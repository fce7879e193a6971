using Premortem.Contracts;

namespace Premortem.Operator.Records;

/// <summary>What a token is worth.</summary>
internal abstract record TokenVerdict
{
    private const string ServiceAccount = "system:serviceaccount:";
    private const string PodName = "authentication.kubernetes.io/pod-name";
    private const string PodUid = "authentication.kubernetes.io/pod-uid";

    /// <summary>Reads the API server's answer. The pod is only who the token is bound to.</summary>
    public static TokenVerdict Of(TokenReviewStatus? status)
    {
        if (status is not { Authenticated: true })
            return new Unauthenticated($"the API server does not accept the token: it is expired, not for the audience {Names.TokenAudience}, or its pod is deleted");
        // A server that knows no audiences accepts tokens for anybody, and says so by leaving them out.
        if (status.Audiences?.Contains(Names.TokenAudience) != true)
            return new Unauthenticated($"the token is not for the audience {Names.TokenAudience}");
        if (status.User?.Username is not { } user || !user.StartsWith(ServiceAccount, StringComparison.Ordinal)
            || user[ServiceAccount.Length..].Split(':') is not [{ Length: > 0 } @namespace, { Length: > 0 }])
            return new Forbidden("the token is not a service account's");
        if (One(status.User, PodName) is not { } pod || One(status.User, PodUid) is not { } uid)
            return new Forbidden("the token is not bound to a pod: project it with a serviceAccountToken volume");
        return new Good(new PodIdentity(@namespace, pod, uid));
    }

    private static string? One(TokenReviewUser user, string extra) =>
        user.Extra?.GetValueOrDefault(extra) is [{ Length: > 0 } value] ? value : null;

    internal sealed record Good(PodIdentity Pod) : TokenVerdict;

    internal sealed record Unauthenticated(string Detail) : TokenVerdict;

    internal sealed record Forbidden(string Detail) : TokenVerdict;

    /// <summary>Nobody could say: the sidecar is to try again.</summary>
    internal sealed record Unavailable(string Detail) : TokenVerdict;
}
