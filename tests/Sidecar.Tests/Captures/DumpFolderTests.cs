using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class DumpFolderTests
{
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
}
