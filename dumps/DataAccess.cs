using Microsoft.Diagnostics.Runtime;

namespace Premortem.Dumps;

/// <summary>
/// Finds the library that comes with every runtime and knows its data, <c>libmscordaccore.so</c>. It fits the one runtime that it was built with;
/// which that is, its neighbour <c>libcoreclr.so</c> says by its build ID. Paths that the dump names are not followed: a dump is somebody else's.
/// </summary>
internal static class DataAccess
{
    private const string Library = "libmscordaccore.so";
    private const string Runtime = "libcoreclr.so";

    public static string Of(ClrInfo clr)
    {
        if (!OperatingSystem.IsLinux())
            throw new DumpException("a dump of a Linux process is read on Linux alone, with the libmscordaccore.so of its runtime");
        var wanted = clr.ModuleInfo.BuildId;
        if (wanted.IsDefaultOrEmpty)
            throw new DumpException($"the dump does not say which build of .NET it is of: name the {Library} of its runtime with --dac");
        foreach (var folder in Runtimes())
            if (File.Exists(Path.Combine(folder, Library)) && ElfFile.BuildIdOf(Path.Combine(folder, Runtime)) is { } id && id.AsSpan().SequenceEqual(wanted.AsSpan()))
                return Path.Combine(folder, Library);
        var version = VersionIn(clr.ModuleInfo.FileName);
        throw new DumpException(
            $"what reads it comes with its runtime, .NET {version ?? "of the same version"} for this processor, which is not installed here: install it, or copy {Library} from the service's image and name it with --dac");
    }

    private static IEnumerable<string> Runtimes()
    {
        string?[] roots =
        [
            Environment.GetEnvironmentVariable("DOTNET_ROOT"), "/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/local/share/dotnet",
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".dotnet"),
        ];
        return roots.OfType<string>()
            .Select(root => Path.Combine(root, "shared", "Microsoft.NETCore.App"))
            .Where(Directory.Exists)
            .SelectMany(Directory.EnumerateDirectories)
            .OrderDescending(StringComparer.Ordinal);
    }

    /// <summary>Of <c>…/Microsoft.NETCore.App/10.0.12/libcoreclr.so</c>: 10.0.12.</summary>
    private static string? VersionIn(string? path) =>
        Path.GetFileName(Path.GetDirectoryName(path)) is { Length: > 0 and < 40 } folder && Version.TryParse(folder.Split('-')[0], out _) && folder.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-')
            ? folder
            : null;
}
