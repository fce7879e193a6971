namespace Premortem.Profiles.Heaps;

/// <summary>A type of a heap, and what holds it.</summary>
/// <param name="Name">The type as the runtime names it.</param>
/// <param name="Objects">How many objects of it there are.</param>
/// <param name="Bytes">What they hold themselves.</param>
/// <param name="Retained">What would go if they went, they included; null: not known, since only a part of the heap was seen.</param>
/// <param name="Paths">How they are held, the one that most bytes of them are held by first.</param>
public sealed record RetainedType(string Name, long Objects, long Bytes, long? Retained, IReadOnlyList<RetentionPath> Paths);
