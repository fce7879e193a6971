namespace Premortem.Profiles;

/// <summary>A label's key, and what was counted under its values, the largest first.</summary>
public sealed record Tag(string Key, long Total, IReadOnlyList<TagValue> Values);
