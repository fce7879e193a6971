using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class DumpFolderTests : IDisposable
{
    private const int Pid = 42;
    private const string Maps = "7f00-7f10 r-xp 00000000 fe:00 123                        /usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1/libcoreclr.so\n";

    private readonly FakeProcTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void One_that_is_missing_is_made_for_every_user_and_who_wrote_a_dump_is_who_deletes_it()
    {
        using var volume = new TemporaryFolder();
        var folder = DumpFolder.TryParse(volume.File("dumps"))!;
        folder.Make();
        folder.Make();
        Assert.Equal("1777", Convert.ToString((int)new DirectoryInfo(folder.FromHere).UnixFileMode, 8));
        // No more than said: what stands in the way is told when a dump is due.
        File.WriteAllText(volume.File("file"), "");
        DumpFolder.TryParse(volume.File("file/dumps"))!.Make();
    }

    [Fact]
    public void The_targets_own_temporary_folder_is_used()
    {
        Image().Folder("tmp");
        var found = Assert.IsType<DumpFolderSearch.Found>(Find());
        Assert.Equal(("/tmp", Path.Combine(_tree.Root, "42/root/tmp")), (found.Folder.OfTarget, found.Folder.FromHere));
        Assert.True(found.Folder.FreeBytes > 0);
    }

    [Fact]
    public void A_shared_folder_goes_before_it_and_the_other_one_after()
    {
        Image().Folder("tmp");
        using var shared = new TemporaryFolder();
        Assert.Equal("/dumps", Assert.IsType<DumpFolderSearch.Found>(Find(new DumpFolder("/dumps", shared.Path))).Folder.OfTarget);
        Assert.Equal("/tmp", Assert.IsType<DumpFolderSearch.Found>(Find(new DumpFolder("/dumps", shared.File("missing")))).Folder.OfTarget);
        Directory.Delete(Path.Combine(_tree.Root, "42/root/tmp"));
        Folder("var/tmp");
        Assert.Equal("/var/tmp", Assert.IsType<DumpFolderSearch.Found>(Find()).Folder.OfTarget);
    }

    [Fact]
    public void A_folder_in_memory_is_none()
    {
        Image();
        var inMemory = Directory.CreateDirectory("/dev/shm/premortem-test-" + Guid.NewGuid().ToString("N"));
        try
        {
            Need.Part(File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ') is [_, "/dev/shm", "tmpfs", ..]), "/dev/shm is no tmpfs");
            AssertNone(Find(new DumpFolder("/dumps", inMemory.FullName)), Reasons.NotSupportedByRuntime, "/dumps is in memory (tmpfs)");
        }
        finally
        {
            inMemory.Delete();
        }
    }

    [Fact]
    public void A_runtime_at_the_end_of_a_long_map_is_found()
    {
        _tree.File("proc/42/maps", string.Concat(Enumerable.Repeat("7f0000000000-7f0000001000 r--p 00000000 00:00 0 /usr/lib/another.so\n", 4000)) + Maps);
        Folder("tmp");
        AssertNone(Find(), Reasons.NotSupportedByRuntime, "no createdump in /usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1");
    }

    [Fact]
    public void Without_createdump_there_is_none()
    {
        _tree.File("proc/42/maps", Maps);
        Folder("tmp");
        AssertNone(Find(), Reasons.NotSupportedByRuntime, "no createdump in /usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1");
    }

    [Fact]
    public void A_single_file_may_have_createdump_anywhere()
    {
        _tree.File("proc/42/maps", "7f00-7f10 r-xp 00000000 fe:00 123                        /app/service\n");
        Folder("tmp");
        Assert.IsType<DumpFolderSearch.Found>(Find());
    }

    [Fact]
    public void Files_that_cannot_be_reached_and_folders_that_are_missing_are_named()
    {
        AssertNone(Find(), Reasons.AccessDenied, "run the sidecar as the target's user");
        Image();
        AssertNone(Find(), Reasons.NotSupportedByRuntime, "/tmp is not there");
    }

    [Fact]
    public void A_folder_that_went_with_its_target_is_why_there_is_no_dump_and_no_mistake()
    {
        var folder = new DumpFolder("/tmp", $"/proc/{int.MaxValue}/root/tmp");

        var now = new CaptureConditions().With(new DumpFolderSearch.Found(folder));

        Assert.Null(folder.FreeBytes);
        Assert.Equal(Reasons.TargetExited, now.WhyNoDump?.Reason);
        Assert.Null(now.DumpDiskBytes);
    }

    [Fact]
    public void A_folder_that_is_there_says_what_its_disk_has_left()
    {
        var now = new CaptureConditions().With(new DumpFolderSearch.Found(new DumpFolder("/tmp", Path.GetTempPath())));

        Assert.Null(now.WhyNoDump);
        Assert.True(now.DumpDiskBytes > 0);
    }

    private static void AssertNone(DumpFolderSearch search, string reason, string detail)
    {
        var why = Assert.IsType<DumpFolderSearch.NotFound>(search).Why;
        Assert.Equal(reason, why.Reason);
        Assert.Contains(detail, why.Detail, StringComparison.Ordinal);
    }

    private DumpFolderSearch Find(DumpFolder? shared = null) => DumpFolder.Find(new ProcFs(_tree.Root), Pid, shared);

    private DumpFolderTests Image()
    {
        _tree.File("proc/42/maps", Maps).File("proc/42/root/usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1/createdump", "");
        return this;
    }

    private void Folder(string path) => Directory.CreateDirectory(Path.Combine(_tree.Root, "42/root", path));
}
