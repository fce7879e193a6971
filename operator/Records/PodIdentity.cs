using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>Whose report it is, as the API server knows it from the token.</summary>
internal sealed record PodIdentity(string Namespace, string Name, string Uid)
{
    public ResourceKey Key => new(Namespace, Name);
}
