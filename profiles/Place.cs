using System.Globalization;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>What a frame is, as far as a granularity tells frames apart. Frames of one place are one row.</summary>
/// <param name="Name">The function's; empty: not known, or no matter.</param>
/// <param name="File">The source file; empty: not known, or no matter.</param>
/// <param name="StartLine">The function's first line, where it has no name.</param>
/// <param name="Line">The line in the file; 0: not known, or no matter.</param>
/// <param name="Address">The address in the code; 0: not known, or no matter.</param>
/// <param name="Binary">The binary's file, where there is no function's name.</param>
internal sealed record Place(string Name, string File, long StartLine, int Line, ulong Address, string Binary)
{
    /// <summary>The name of its row.</summary>
    internal string Printable()
    {
        var parts = new List<string>(3);
        if (Address != 0)
            parts.Add(Address.ToString("x16", CultureInfo.InvariantCulture));
        if (Name.Length > 0)
            parts.Add(Name);
        if (Line != 0)
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}"));
        else if (File.Length > 0)
            parts.Add(File);
        else if (Name.Length == 0)
            parts.Add(Binary.Length > 0 ? $"[{TopTable.BaseName(Binary)}]" : "<unknown>");
        return string.Join(' ', parts);
    }

    /// <summary>What decides between places that look alike: the order of pprof's printout of them.</summary>
    internal string Identity() => string.Create(CultureInfo.InvariantCulture, $"{Name}  {Address} {File} {StartLine} {Line} {Binary}}}");

    /// <param name="trimPath">Beginnings of paths to leave away, with colons between them; null: paths stay as they are.</param>
    internal static Place Of(PprofProfile profile, StackView view, in LocationEntry location, int line, Granularity granularity, string? trimPath)
    {
        var entry = location.LineCount == 0 ? new LineEntry(-1, 0) : view.Lines[location.FirstLine + line];
        var address = granularity == Granularity.Addresses ? location.Address : 0;
        var binary = location.Mapping < 0 ? "" : FileOf(profile.Mappings[location.Mapping]);
        if (entry.Function < 0)
            return new Place("", "", 0, 0, address, binary);
        var function = profile.Functions[entry.Function];
        var name = granularity == Granularity.Files ? "" : profile.StringAt(function.Name);
        var file = granularity == Granularity.Functions ? "" : profile.StringAt(function.FileName);
        if (trimPath is not null)
            file = Trimmed(file, trimPath);
        return new Place(
            name,
            file.Length == 0 ? "" : Clean(file),
            name.Length == 0 ? function.StartLine : 0,
            granularity is Granularity.Lines or Granularity.Addresses ? entry.Line : 0,
            address,
            name.Length == 0 ? binary : "");
    }

    /// <summary>The file of a mapping, empty where it is not one: a URL is where the profile came from.</summary>
    internal static string FileOf(ProfileMapping mapping) =>
        mapping.BuildId.Length == 0 && Uri.CheckSchemeName(mapping.File.Split(':', 2)[0]) && mapping.File.Contains(':', StringComparison.Ordinal)
            ? ""
            : mapping.File;

    private static string Trimmed(string path, string trimPath)
    {
        string[] beginnings = trimPath.Length == 0 ? [] : trimPath.Split(':');
        foreach (var beginning in beginnings.Concat(["/proc/self/cwd/./", "/proc/self/cwd/"]))
        {
            var folder = beginning.EndsWith('/') ? beginning : beginning + "/";
            if (path.StartsWith(folder, StringComparison.Ordinal))
                return path[folder.Length..];
        }
        return path;
    }

    /// <summary>The shortest path of the same meaning: without <c>.</c>, <c>..</c> and doubled slashes.</summary>
    private static string Clean(string path)
    {
        var isRooted = path.StartsWith('/');
        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part is "" or ".")
                continue;
            if (part == ".." && parts.Count > 0 && parts[^1] != "..")
                parts.RemoveAt(parts.Count - 1);
            else if (part != ".." || !isRooted)
                parts.Add(part);
        }
        var clean = (isRooted ? "/" : "") + string.Join('/', parts);
        return clean.Length == 0 ? "." : clean;
    }
}
