namespace Premortem.Sidecar.Uploads;

/// <summary>How an S3 upload is cut up and how long it is given. The defaults are the product's; tests shorten them.</summary>
internal sealed record S3Limits
{
    /// <summary>The largest file that goes up in one request, in bytes.</summary>
    public long SinglePutBytes { get; init; } = 8L * 1024 * 1024;

    /// <summary>The size of a part, in bytes; S3 takes no less than 5 MiB but for the last one.</summary>
    public long PartBytes { get; init; } = 8L * 1024 * 1024;

    public int PartsInFlight { get; init; } = 2;

    /// <summary>How often one request is tried; the caller tries whole uploads again, so this only has to outlast a hiccup.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>The pause after the first failed attempt; it doubles with each further one, and half of it is random.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(400);

    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a server may take nothing and say nothing.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The slowest network worth waiting for, in bytes a second.</summary>
    public long SlowestBytesPerSecond { get; init; } = 32 * 1024;

    /// <summary>How long the server may take to put the parts together.</summary>
    public TimeSpan CompletionStall { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>How long cleaning up after a failed upload may take.</summary>
    public TimeSpan CleanUp { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long to look for credentials: a machine without a metadata service answers nothing at all.</summary>
    public TimeSpan FindCredentials { get; init; } = TimeSpan.FromSeconds(10);
}
