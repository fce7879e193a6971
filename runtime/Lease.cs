using System.Globalization;

namespace Premortem.Runtime;

/// <summary>A <c>coordination.k8s.io/v1</c> Lease.</summary>
internal sealed record Lease : IResource
{
    public static ResourceType Type { get; } = new("coordination.k8s.io", "v1", "leases", "Lease");

    public ObjectMeta Metadata { get; init; } = new();

    public LeaseSpec? Spec { get; init; }

    /// <summary>As <c>metav1.MicroTime</c>, which takes exactly six digits.</summary>
    public static string MicroTime(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}

/// <summary>Times are kept as they were written: they are compared, and never reckoned with, since they are of somebody else's clock.</summary>
internal sealed record LeaseSpec
{
    public string? HolderIdentity { get; init; }

    public int? LeaseDurationSeconds { get; init; }

    public string? AcquireTime { get; init; }

    public string? RenewTime { get; init; }

    public int? LeaseTransitions { get; init; }
}
