namespace Premortem.Sidecar.Memory;

/// <summary>What one look at a target's memory found.</summary>
/// <param name="UsageBytes">All that is charged, page cache included.</param>
/// <param name="InactiveFileBytes">Page cache that the kernel would drop first.</param>
/// <param name="OtherReclaimableBytes">Page cache in use and the kernel's own caches, which it would drop before it kills.</param>
/// <param name="LimitBytes">The limit that a kill follows from; null: none.</param>
/// <param name="OomKills">How many processes the kernel has killed here for want of memory; null: not to be known.</param>
internal readonly record struct MemoryReading(
    long UsageBytes,
    long InactiveFileBytes,
    long OtherReclaimableBytes,
    long? LimitBytes,
    long? OomKills)
{
    /// <summary>What the kubelet calls the working set, and what triggers measure.</summary>
    public long WorkingSetBytes => Math.Max(0, UsageBytes - InactiveFileBytes);

    /// <summary>What is left when every cache is dropped: only this can end in a kill.</summary>
    public long UnreclaimableBytes => Math.Max(0, WorkingSetBytes - OtherReclaimableBytes);

    /// <summary>What triggers measure against: the lower of the limit that was read and one given by hand; null: there is neither.</summary>
    public long? Ceiling(long? givenBytes) => (LimitBytes, givenBytes) switch
    {
        (null, var given) => given,
        (var limit, null) => limit,
        var (limit, given) => Math.Min(limit.Value, given.Value),
    };
}
