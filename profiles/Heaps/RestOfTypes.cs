namespace Premortem.Profiles.Heaps;

/// <param name="Objects">How many objects are of types that are not listed.</param>
/// <param name="Bytes">What they hold.</param>
internal sealed record RestOfTypes(long Objects, long Bytes);
