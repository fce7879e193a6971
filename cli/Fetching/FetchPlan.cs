using Premortem.Contracts;

namespace Premortem.Cli.Fetching;

/// <summary>What of a capture is to be fetched. The manifest is untrusted: a name that could leave the folder, or surprise in it, is refused.</summary>
internal static class FetchPlan
{
    internal const string UnfinishedSuffix = ".part";

    private const int LongestName = 200;

    /// <exception cref="VerbException">The manifest asks for what no capture has.</exception>
    internal static IReadOnlyList<FileToFetch> Of(CaptureRecord record, string where)
    {
        var files = new List<FileToFetch>();
        // Two names that differ in case are one file on some systems.
        var names = new HashSet<string>([Names.Manifest], StringComparer.OrdinalIgnoreCase);
        foreach (var artifact in record.Artifacts.Where(artifact => artifact.HasFile))
        {
            if (!IsPlain(artifact.Key))
                throw Refuse($"a file is called '{Printable.Of(artifact.Key, 120)}', which is no plain name of a file");
            if (!names.Add(artifact.Key))
                throw Refuse($"'{artifact.Key}' is in it twice");
            if (artifact.Bytes < 0)
                throw Refuse($"'{artifact.Key}' has {artifact.Bytes} bytes");
            if (artifact.Sha256 is not { Length: 64 } sha256 || !sha256.All(char.IsAsciiHexDigit))
                throw Refuse($"'{artifact.Key}' has no SHA-256");
            files.Add(new FileToFetch(artifact.Key, artifact.Bytes, sha256.ToLowerInvariant()));
        }
        return files;

        VerbException Refuse(string why) => new($"{where}: nothing is fetched, for the manifest cannot be trusted: {why}");
    }

    /// <summary>All bytes of it; as much as there can be where they are more.</summary>
    internal static long TotalBytes(IEnumerable<FileToFetch> files) =>
        files.Aggregate(0L, (sum, file) => file.Bytes > long.MaxValue - sum ? long.MaxValue : sum + file.Bytes);

    private static bool IsPlain(string name) =>
        name.Length is > 0 and <= LongestName
        && name[0] is not ('.' or '-')
        && name[^1] != '.'
        && !name.EndsWith(UnfinishedSuffix, StringComparison.OrdinalIgnoreCase)
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
