using System.Collections.Immutable;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using Microsoft.Diagnostics.Runtime;

namespace Premortem.Dumps;

/// <summary>
/// Finds the assemblies whose pages are in no dump, since they are those of files: beside the runtime's own library, and in the shared frameworks around it. Nothing
/// is asked for over the network, and nothing is thrown: native code asks.
/// </summary>
internal sealed class RuntimeFiles : IFileLocator
{
    private string[] _folders = [];

    /// <summary>The runtime is where its <c>libmscordaccore.so</c> is.</summary>
    public void LookBeside(string library)
    {
        var own = Path.GetDirectoryName(Path.GetFullPath(library))!;
        // …/shared/Microsoft.NETCore.App/10.0.12: of the same version are ASP.NET Core and others.
        var shared = Path.GetDirectoryName(Path.GetDirectoryName(own));
        _folders = [own, .. Folders(shared).Select(framework => Path.Combine(framework, Path.GetFileName(own))).Where(folder => folder != own)];
    }

    public string? FindPEImage(string fileName, int buildTimeStamp, int imageSize, bool checkProperties)
    {
        // The dump says the name, and may say anything.
        var name = Path.GetFileName(fileName.Replace('\\', '/'));
        foreach (var folder in _folders)
            if (name.Length > 0 && Path.Combine(folder, name) is var path && IsOne(path, buildTimeStamp, imageSize))
                return path;
        return null;
    }

    public string? FindPEImage(string fileName, SymbolProperties archivedUnder, ImmutableArray<byte> buildIdOrUUID, OSPlatform originalPlatform, bool checkProperties) => null;

    private static bool IsOne(string path, int buildTimeStamp, int imageSize)
    {
        try
        {
            if (!File.Exists(path))
                return false;
            using var file = new PEReader(File.OpenRead(path));
            return file.PEHeaders.CoffHeader.TimeDateStamp == buildTimeStamp && file.PEHeaders.PEHeader?.SizeOfImage == imageSize;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BadImageFormatException or InvalidOperationException)
        {
            return false;
        }
    }

    private static string[] Folders(string? parent)
    {
        try
        {
            return parent is not null && Path.GetFileName(parent) == "shared" ? Directory.GetDirectories(parent) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
