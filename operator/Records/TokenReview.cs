using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>A <c>TokenReview</c> of <c>authentication.k8s.io/v1</c> as the API server answers it.</summary>
internal sealed record TokenReview : IResource
{
    public static ResourceType Type { get; } = new("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", IsNamespaced: false);

    public ObjectMeta Metadata { get; init; } = new();

    public TokenReviewStatus? Status { get; init; }

    public static async Task<TokenReviewStatus?> AskAsync(ResourceApi<TokenReview> reviews, string token, CancellationToken ct)
    {
        var body = new JsonObject { ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray(Names.TokenAudience) } };
        return (await reviews.CreateAsync(body, null, ct)).Status;
    }
}

internal sealed record TokenReviewStatus
{
    public bool Authenticated { get; init; }

    public TokenReviewUser? User { get; init; }

    /// <summary>Those of the audiences asked for that the token is for.</summary>
    public IReadOnlyList<string>? Audiences { get; init; }

    public string? Error { get; init; }
}

internal sealed record TokenReviewUser
{
    public string? Username { get; init; }

    public IReadOnlyDictionary<string, IReadOnlyList<string>>? Extra { get; init; }
}
