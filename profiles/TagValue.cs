namespace Premortem.Profiles;

/// <summary>A label's value; a number has its unit.</summary>
public sealed record TagValue(string Value, long Sum);
