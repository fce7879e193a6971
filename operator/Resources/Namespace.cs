using Premortem.Runtime;

namespace Premortem.Operator.Resources;

internal sealed record Namespace : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "namespaces", "Namespace", IsNamespaced: false);

    public ObjectMeta Metadata { get; init; } = new();
}
