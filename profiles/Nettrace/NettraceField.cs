namespace Premortem.Profiles.Nettrace;

/// <summary>A field of an event's payload.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TypeCode">Its type, as <see cref="System.TypeCode"/> numbers them.</param>
public sealed record NettraceField(string Name, int TypeCode);
