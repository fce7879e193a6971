namespace Premortem.Profiles.Heaps;

/// <param name="Name">The type as the runtime names it.</param>
/// <param name="Objects">How many objects of it were seen.</param>
/// <param name="Bytes">What they hold themselves.</param>
public sealed record TypeRow(string Name, long Objects, long Bytes);
