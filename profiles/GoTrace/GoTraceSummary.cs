using System.Globalization;

namespace Premortem.Profiles.GoTrace;

/// <summary>What an execution trace of Go's tells in a few figures; <c>go tool trace</c> shows all of it.</summary>
public sealed record GoTraceSummary
{
    /// <summary>As the file has it: <c>go 1.26</c>.</summary>
    public required string Version { get; init; }

    /// <summary>From the first event to the last.</summary>
    public required TimeSpan Duration { get; init; }

    public required long Events { get; init; }

    /// <summary>How many goroutines there were, for however short.</summary>
    public required int Goroutines { get; init; }

    /// <summary>How many of them were there when it ended.</summary>
    public required int GoroutinesLeft { get; init; }

    /// <summary>How many collections were under way in it.</summary>
    public required int Collections { get; init; }

    /// <summary>How long one was.</summary>
    public required TimeSpan Collecting { get; init; }

    /// <summary>How long the world was stopped, for collections and whatever else.</summary>
    public required TimeSpan Stopped { get; init; }

    /// <summary>The largest the heap was, in bytes; 0: not told.</summary>
    public required long HeapPeakBytes { get; init; }

    /// <summary>Whether the file ends before its end.</summary>
    public bool IsPartial { get; init; }

    public void Write(TextWriter writer)
    {
        writer.Write($"Type: execution trace ({Version}{(IsPartial ? "; cut off, the figures are of what is there" : "")})\n");
        writer.Write($"Duration: {Time(Duration)}, {Number(Events)} events\n");
        writer.Write($"GC: {Number(Collections)} collections, {Time(Collecting)} ({Share(Collecting)} of the time); world stopped {Time(Stopped)} ({Share(Stopped)})\n");
        if (HeapPeakBytes > 0)
            writer.Write($"Heap: {Units.Format(HeapPeakBytes, "bytes", Units.Auto)} at most\n");
        writer.Write($"Goroutines: {Number(Goroutines)} seen, {Number(GoroutinesLeft)} at the end\n");
        writer.Write("'go tool trace' opens it.\n");
    }

    private static string Time(TimeSpan time) => Units.Format(time.Ticks * 100, "nanoseconds", Units.Auto);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private string Share(TimeSpan part) => Units.Percentage(part.Ticks, Duration.Ticks).TrimStart();
}
