namespace Premortem.Sidecar.Captures;

/// <summary>What a capture may take, whatever the target sends.</summary>
internal sealed record CaptureBounds
{
    /// <summary>The most bytes of a body that are received and written.</summary>
    public long MaxBytes { get; init; } = 256L * 1024 * 1024;

    /// <summary>The most bytes that a compressed body may hold.</summary>
    public long MaxDecompressedBytes { get; init; } = 1024L * 1024 * 1024;

    /// <summary>How long the whole may take beyond the capture's own duration.</summary>
    public TimeSpan Allowance { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long nothing may come, beyond the capture's own duration.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(10);
}
