using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Uploads;

/// <summary>What the flight recorder took, as it lies on the spool's disk.</summary>
/// <param name="TakenAt">When it was whole.</param>
/// <param name="Key">The file that it would be in a capture: <c>heap.pb.gz</c>.</param>
/// <param name="Sha256">Lower-case hex.</param>
/// <param name="Path">Where it lies; it may be gone when captures need the room.</param>
/// <param name="Heap">What a .NET runtime said of its heap meanwhile; null: nothing.</param>
internal sealed record Baseline(DateTimeOffset TakenAt, string Key, string Sha256, long Bytes, string Path, HeapFigures? Heap = null)
{
    /// <summary>Whether it holds what was alive, and not what was allocated.</summary>
    public bool IsHeap => !IsGoroutines && !Key.StartsWith("allocations", StringComparison.Ordinal);

    /// <summary>Whether it holds where goroutines stood: the one that stands beside those of memory.</summary>
    public bool IsGoroutines => Key.StartsWith("goroutine", StringComparison.Ordinal);

    /// <summary>How long before a moment it was taken. The wall clock may have been set back in between.</summary>
    public TimeSpan AgeAt(DateTimeOffset moment) => moment > TakenAt ? moment - TakenAt : TimeSpan.Zero;

    /// <summary>The name says all there is to know, so that nothing beside the file can be lost or disagree with it.</summary>
    internal static string FileName(DateTimeOffset takenAt, HeapFigures? heap, string key, string sha256) =>
        FormattableString.Invariant($"{takenAt.ToUnixTimeMilliseconds()}.{Text(heap)}.{sha256}.{key}");

    /// <summary>Null for what no flight recorder has left there.</summary>
    internal static Baseline? FromFile(string path)
    {
        const int hashLength = 64;
        if (System.IO.Path.GetFileName(path).Split('.', 4) is not [var time, var heap, { Length: hashLength } hash, var key]
            || Number(time) is not { } milliseconds
            || milliseconds > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            || ArtifactKeys.TypeOf(key) is not (nameof(CaptureType.Heap) or nameof(CaptureType.Goroutine)))
            return null;
        return new Baseline(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), key, hash, new FileInfo(path).Length, path, Figures(heap));
    }

    /// <summary><c>committed-after-collections</c>, each left empty where it is not known.</summary>
    private static string Text(HeapFigures? heap) =>
        heap is null ? "" : FormattableString.Invariant($"{heap.CommittedBytes}-{heap.AfterCollectionBytes}-{heap.Collections}");

    private static HeapFigures? Figures(string text) =>
        text.Split('-') is [var committed, var after, var collections] ? new HeapFigures(Number(committed), Number(after), Number(collections) ?? 0) : null;

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
