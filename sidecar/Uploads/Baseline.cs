using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>What the flight recorder took, as it lies on the spool's disk.</summary>
/// <param name="TakenAt">When it was whole.</param>
/// <param name="Key">The file that it would be in a capture: <c>heap.pb.gz</c>.</param>
/// <param name="Sha256">Lower-case hex.</param>
/// <param name="Path">Where it lies; it may be gone when captures need the room.</param>
internal sealed record Baseline(DateTimeOffset TakenAt, string Key, string Sha256, long Bytes, string Path)
{
    /// <summary>How long before a moment it was taken. The wall clock may have been set back in between.</summary>
    public TimeSpan AgeAt(DateTimeOffset moment) => moment > TakenAt ? moment - TakenAt : TimeSpan.Zero;

    /// <summary>The name says all there is to know, so that nothing beside the file can be lost or disagree with it.</summary>
    internal static string FileName(DateTimeOffset takenAt, string key, string sha256) =>
        FormattableString.Invariant($"{takenAt.ToUnixTimeMilliseconds()}.{sha256}.{key}");

    /// <summary>Null for what no flight recorder has left there.</summary>
    internal static Baseline? FromFile(string path)
    {
        const int hashLength = 64;
        if (System.IO.Path.GetFileName(path).Split('.', 3) is not [var time, { Length: hashLength } hash, var key]
            || !long.TryParse(time, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var milliseconds)
            || milliseconds > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            || ArtifactKeys.TypeOf(key) != nameof(Contracts.Policies.CaptureType.Heap))
            return null;
        return new Baseline(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), key, hash, new FileInfo(path).Length, path);
    }
}
