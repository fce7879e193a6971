namespace Premortem.Operator.Records;

/// <summary>How long is waited for what may still come.</summary>
internal sealed record OomKillOptions
{
    /// <summary>A report may be on its way.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>While nobody led, or no operator ran, sidecars could not report; they try again within minutes.</summary>
    public TimeSpan GraceAfterStart { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>A capture that goes on when its target is dead comes to its end by then.</summary>
    public TimeSpan CapturingAtMost { get; init; } = TimeSpan.FromMinutes(5);
}
