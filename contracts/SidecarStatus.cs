using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>What a sidecar says of itself, when it changes: <c>PUT /v1/status</c>, and the annotation <see cref="Names.StatusAnnotation"/>.</summary>
public sealed record SidecarStatus
{
    /// <summary>The revision of the settings that it follows; null: it never had any that it could read.</summary>
    public string? Revision { get; init; }

    /// <summary>Why it does not follow newer settings, with the field; null: it follows the newest.</summary>
    public string? SettingsError { get; init; }

    public StorageStatus? Storage { get; init; }

    public IReadOnlyList<TargetStatus> Targets { get; init; } = [];

    public required string Version { get; init; }
}

/// <param name="Reachable">Whether the last upload or check succeeded; null: nothing was tried yet.</param>
/// <param name="Location">The bucket or directory: <c>s3://profiles/prod/</c>.</param>
/// <param name="Reason">A word from <see cref="Reasons"/>; null where it is reachable.</param>
public sealed record StorageStatus(bool? Reachable, string Location, string? Reason, string? Message);

/// <param name="Runtime">Null: neither Go nor .NET, or not known yet.</param>
/// <param name="Profiles">Where profiles come from: <c>http://127.0.0.1:6060/debug/pprof</c>, the socket; null: nowhere.</param>
/// <param name="WhyNoProfiles">Why nowhere, in words.</param>
/// <param name="MemorySource"><c>cgroup v2</c>, <c>cgroup v1</c>, <c>proc</c>; null: memory cannot be read.</param>
/// <param name="CeilingBytes">What triggers measure against; null: there is no limit.</param>
public sealed record TargetStatus(string Container, RuntimeKind? Runtime, string? Profiles, string? WhyNoProfiles, string? MemorySource, long? CeilingBytes);
