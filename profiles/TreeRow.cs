namespace Premortem.Profiles;

/// <summary>A function with those that call it and those that it calls, the heaviest first.</summary>
public sealed record TreeRow(TopRow Row, IReadOnlyList<TreeCall> Callers, IReadOnlyList<TreeCall> Callees);
