namespace Premortem.Profiles.Heaps;

/// <summary>How a type's objects have changed between two tables; numbers have a sign.</summary>
/// <param name="Name">The type as the runtime names it.</param>
/// <param name="Objects">How many there are more than before.</param>
/// <param name="Bytes">What they hold more than before.</param>
public sealed record TypeDifference(string Name, long Objects, long Bytes);
