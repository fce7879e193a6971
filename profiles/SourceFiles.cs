using System.Text;

namespace Premortem.Profiles;

/// <summary>Finds source files as pprof does, by the paths that stand in profiles: those of the machine that compiled the program.</summary>
/// <param name="searchPath">Folders to look in, with colons between them; for each, its parents too. Null: the one that the program is in.</param>
/// <param name="trimPath">Beginnings of paths to leave away; empty: whatever comes before a folder of the search path's name.</param>
public sealed class SourceFiles(string? searchPath, string trimPath)
{
    private readonly string _searchPath = searchPath ?? Environment.CurrentDirectory;
    private const int MostBytes = 16 << 20;

    private static readonly string[] s_always = ["/proc/self/cwd/./", "/proc/self/cwd/"];

    /// <summary>The path as it is shown: where folders are named, what comes before theirs is left away.</summary>
    public string Shown(string path) => searchPath is null ? path : Trimmed(path);

    /// <returns>The lines, or why there are none.</returns>
    public (IReadOnlyList<string>? Lines, string Problem) Find(string path)
    {
        path = Trimmed(path);
        if (Path.IsPathRooted(path))
            return File.Exists(path) ? Read(path) : (null, $"open {path}: no such file or directory");
        foreach (var folder in _searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries))
            for (var at = folder; at is not null; at = Path.GetDirectoryName(at))
                if (Path.Combine(at, path) is var file && File.Exists(file))
                    return Read(file);
        return (null, $"could not find file {path} on path {_searchPath}");
    }

    /// <summary>The end of the last line begins no further one.</summary>
    private static string[] LinesOf(string text) => (text.EndsWith('\n') ? text[..^1] : text).Split('\n');

    private static (IReadOnlyList<string>? Lines, string Problem) Read(string file)
    {
        try
        {
            if (new FileInfo(file).Length > MostBytes)
                return (null, $"{file} is larger than {MostBytes >> 20} MiB, which no source is");
            return (LinesOf(File.ReadAllText(file, Encoding.UTF8)), "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
    }

    private string Trimmed(string path)
    {
        if (trimPath.Length == 0)
            foreach (var folder in _searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries))
                if ($"/{Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))}/" is { Length: > 2 } name && path.IndexOf(name, StringComparison.Ordinal) is var found and >= 0)
                    return path[(found + name.Length)..];
        foreach (var beginning in trimPath.Split(':', StringSplitOptions.RemoveEmptyEntries).Concat(s_always))
            if ((beginning.EndsWith('/') ? beginning : beginning + "/") is var prefix && path.StartsWith(prefix, StringComparison.Ordinal))
                return path[prefix.Length..];
        return path;
    }
}
