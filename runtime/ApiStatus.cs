using System.Net;
using System.Text.Json;

namespace Premortem.Runtime;

/// <summary><c>metav1.Status</c>: how the API server says no.</summary>
internal sealed record ApiStatus
{
    public string? Kind { get; init; }

    public string? Message { get; init; }

    public string? Reason { get; init; }

    public int? Code { get; init; }

    public StatusDetails? Details { get; init; }

    public sealed record StatusDetails(int? RetryAfterSeconds);

    /// <summary>Null: something else answered, such as a proxy, or the server for a path that it does not know.</summary>
    public static ApiStatus? Read(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize<ApiStatus>(body, ResourceJson.Options) is { Kind: "Status" } status ? status : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public ApiException ToException() => new(
        (HttpStatusCode)(Code ?? 500),
        Reason,
        Message ?? $"the API server answered {Code}",
        Details?.RetryAfterSeconds is { } seconds and > 0 ? TimeSpan.FromSeconds(seconds) : null);
}
