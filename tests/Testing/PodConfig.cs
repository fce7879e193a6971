using Premortem.Contracts;

namespace Premortem.Testing;

/// <summary>A downward-API volume, exchanged as the kubelet does it: the file is a link into <c>..data</c>, which is a link to the newest folder.</summary>
public sealed class PodConfig(string directory)
{
    private int _generation;

    public string File => Path.Combine(directory, "config");

    /// <summary>What stands there from now on.</summary>
    public void Write(string content)
    {
        var folder = $"..2026_{++_generation:0000}";
        Directory.CreateDirectory(Path.Combine(directory, folder));
        System.IO.File.WriteAllText(Path.Combine(directory, folder, "config"), content);
        var link = Path.Combine(directory, "..data");
        var old = new FileInfo(link).LinkTarget;
        System.IO.File.CreateSymbolicLink(link + "_tmp", folder);
        if (Native.Rename(link + "_tmp", link) != 0)
            throw new IOException($"{link} cannot be exchanged");
        if (new FileInfo(File).LinkTarget is null)
            System.IO.File.CreateSymbolicLink(File, "..data/config");
        if (old is not null)
            Directory.Delete(Path.Combine(directory, old), recursive: true);
    }

    public void Write(SidecarSettings settings) => Write(SettingsWriter.Write(settings));
}
