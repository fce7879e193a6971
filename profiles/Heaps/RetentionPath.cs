namespace Premortem.Profiles.Heaps;

/// <summary>A way from a root to objects of a type, by references; of several ways the shortest. Types that come again and again are named once.</summary>
/// <param name="Steps">The root, the types between, and the type itself.</param>
/// <param name="Objects">How many objects of the type are held by it.</param>
/// <param name="Bytes">What they hold themselves.</param>
public sealed record RetentionPath(IReadOnlyList<string> Steps, long Objects, long Bytes);
