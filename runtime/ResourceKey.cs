namespace Premortem.Runtime;

/// <summary>Names an object of one type.</summary>
/// <param name="Namespace">Null for what stands in no namespace.</param>
public readonly record struct ResourceKey(string? Namespace, string Name)
{
    public static ResourceKey Of(IResource resource) => new(resource.Metadata.Namespace, resource.Metadata.Name);

    public override string ToString() => Namespace is null ? Name : $"{Namespace}/{Name}";
}
