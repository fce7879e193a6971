namespace Premortem.Profiles.Nettrace;

/// <summary>One event. It is there as long as the call that hands it over.</summary>
public readonly ref struct NettraceEvent
{
    public required NettraceEventType Type { get; init; }

    /// <summary>The stream that it is of.</summary>
    public required NettraceHeader Stream { get; init; }

    /// <summary>When, in the ticks of the stream's clock: <see cref="NettraceHeader.TimeOf"/>.</summary>
    public required long Timestamp { get; init; }

    public required long ThreadId { get; init; }

    /// <summary>Its stack among those that were handed over since the last sequence point; 0: none.</summary>
    public required int StackId { get; init; }

    public required ReadOnlySpan<byte> Payload { get; init; }
}
