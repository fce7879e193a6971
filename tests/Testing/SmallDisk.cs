using System.Globalization;
using Xunit;

namespace Premortem.Testing;

/// <summary>A small file system, mounted for a test. Needs root.</summary>
public sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    private string Filler => System.IO.Path.Combine(Path, "filler");

    public static SmallDisk Mount(string path, int kibibytes)
    {
        Directory.CreateDirectory(path);
        var size = string.Create(CultureInfo.InvariantCulture, $"size={kibibytes}k");
        Need.Part(Run("mount", "-t", "tmpfs", "-o", size, "tmpfs", path), "a file system cannot be mounted: it needs root");
        return new SmallDisk(path);
    }

    /// <summary>One on a disk, as a file that is mounted: a dump is not written to memory.</summary>
    public static SmallDisk MountExt4(string path, int mebibytes)
    {
        var image = path + ".img";
        using (var file = File.Create(image))
            file.SetLength((long)mebibytes << 20);
        Directory.CreateDirectory(path);
        Need.Part(Run("mkfs.ext4", "-q", "-m", "0", image) && Run("mount", "-o", "loop", image, path), "a disk cannot be mounted: it needs root and a loop device");
        Directory.Delete(System.IO.Path.Combine(path, "lost+found"));
        return new SmallDisk(path);
    }

    public void Fill(int leaveKibibytes)
    {
        using (var filler = new FileStream(Filler, FileMode.Append))
            try
            {
                while (true)
                {
                    filler.Write(new byte[4096]);
                    filler.Flush();
                }
            }
            catch (IOException)
            {
                // Full.
            }
        if (leaveKibibytes == 0)
            return;
        using var shorter = new FileStream(Filler, FileMode.Open);
        shorter.SetLength(shorter.Length - (leaveKibibytes * 1024));
    }

    public void Clear() => File.Delete(Filler);

    public void SetReadOnly(bool isReadOnly) => Assert.True(Run("mount", "-o", isReadOnly ? "remount,ro" : "remount,rw", Path));

    public void Dispose() => Run("umount", "-l", Path);

    private static bool Run(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
