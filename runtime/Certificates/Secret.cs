namespace Premortem.Runtime.Certificates;

/// <summary>A Secret of the core API. It is not to be logged: a record's own words would say what is in it.</summary>
internal sealed record Secret : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "secrets", "Secret");

    public ObjectMeta Metadata { get; init; } = new();

    /// <summary>Base64 by name.</summary>
    public IReadOnlyDictionary<string, string>? Data { get; init; }

    public override string ToString() => $"Secret {ResourceKey.Of(this)}";
}
