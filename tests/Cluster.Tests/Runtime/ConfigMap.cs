using Premortem.Runtime;

namespace Premortem.Cluster.Tests.Runtime;

internal sealed record ConfigMap : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "configmaps", "ConfigMap");

    public ObjectMeta Metadata { get; init; } = new();

    public IReadOnlyDictionary<string, string>? Data { get; init; }

    public static ConfigMap Named(string name, string value = "") =>
        new() { Metadata = new ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["test"] = "yes" } }, Data = new Dictionary<string, string> { ["value"] = value } };
}
