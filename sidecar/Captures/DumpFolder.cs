using Premortem.Contracts;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar.Captures;

/// <summary>A folder on a disk that a runtime and this program share, each by its own path.</summary>
/// <param name="OfTarget">The path in the target's mount namespace.</param>
/// <param name="FromHere">The path here: a shared volume, or by way of <c>/proc/PID/root</c>.</param>
internal sealed record DumpFolder(string OfTarget, string FromHere)
{
    private const UnixFileMode ForEverybody = UnixFileMode.StickyBit
        | UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private static readonly string[] OwnFolders = ["/tmp", "/var/tmp"];

    /// <summary>Reads <c>DIR</c> or <c>DIR:TARGET-DIR</c>; null: it is neither.</summary>
    public static DumpFolder? TryParse(string text) => text.Split(':') switch
    {
        [['/', ..] here] => new DumpFolder(here, here),
        [['/', ..] here, ['/', ..] ofTarget] => new DumpFolder(ofTarget, here),
        _ => null,
    };

    /// <summary>
    /// Makes it where it is missing: on an empty volume nobody else does. Every runtime of the pod may write there, and delete what is its own. Where it
    /// cannot be made, it is not there when a dump is due, which is said then.
    /// </summary>
    public void Make()
    {
        try
        {
            if (Directory.Exists(FromHere))
                return;
            Directory.CreateDirectory(FromHere);
            // Not with the call before, which the umask would cut.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(FromHere, ForEverybody);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As said.
        }
    }

    /// <summary>What the disk has left now; null: it cannot be asked, as when the target has died and its folder is seen no more.</summary>
    public long? FreeBytes => FreeBytesOf(FromHere);

    /// <param name="pid">The target's process, as it is numbered here.</param>
    /// <param name="shared">A volume that both see, with both its paths; null: there is none.</param>
    public static DumpFolderSearch Find(ProcFs proc, int pid, DumpFolder? shared = null)
    {
        var root = $"{proc.Root}/{pid}/root";
        if (!Directory.Exists(root + "/"))
            return Not(Reasons.AccessDenied, "the target's files cannot be reached: run the sidecar as the target's user");
        // A single-file program holds its runtime within itself, and createdump stands nowhere or beside it.
        if (Path.GetDirectoryName(proc.MappedFile(pid, DotNetProcess.Library, out _)) is { } runtime && !File.Exists($"{root}{runtime}/createdump"))
            return Not(Reasons.NotSupportedByRuntime, $"the target's image has no createdump in {runtime}");
        string? first = null;
        foreach (var folder in (DumpFolder[])[.. shared is null ? [] : (DumpFolder[])[shared], .. OwnFolders.Select(own => new DumpFolder(own, root + own))])
            switch (WhyNot(folder))
            {
                case null:
                    return new DumpFolderSearch.Found(folder);
                case var why:
                    first ??= why;
                    break;
            }
        return Not(Reasons.NotSupportedByRuntime, $"a dump needs a folder on a disk, shared or the target's own: {first}");
    }

    internal static long? FreeBytesOf(string folder)
    {
        try
        {
            return FileSystem.Of(folder).FreeBytes;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static DumpFolderSearch.NotFound Not(string reason, string detail) => new(new Obstacle(reason, detail));

    private static string? WhyNot(DumpFolder folder)
    {
        try
        {
            if (!Directory.Exists(folder.FromHere))
                return $"{folder.OfTarget} is not there";
            // A dump in memory would be charged to the container, on top of the memory that it is a copy of.
            return FileSystem.Of(folder.FromHere) switch
            {
                { IsInMemory: true } => $"{folder.OfTarget} is in memory (tmpfs)",
                { IsReadOnly: true } => $"{folder.OfTarget} is read-only",
                _ => null,
            };
        }
        catch (IOException e)
        {
            return $"{folder.OfTarget}: {e.Message}";
        }
    }
}
