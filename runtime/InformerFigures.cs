namespace Premortem.Runtime;

/// <summary>What an informer has done so far, for metrics.</summary>
/// <param name="Objects">In the copy now.</param>
/// <param name="Relists">Whole lists, the first one too.</param>
/// <param name="WatchErrors">Lists and watches that failed; a watch that the server ended in an orderly way is none.</param>
/// <param name="SinceContact">Since the server was last heard of, a bookmark counts (about each minute); null: never yet.</param>
public sealed record InformerFigures(int Objects, long Relists, long WatchErrors, TimeSpan? SinceContact);
