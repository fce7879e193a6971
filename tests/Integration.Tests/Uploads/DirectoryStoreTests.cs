using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Uploads;

/// <summary>The store on a disk that is full or read-only: a small tmpfs of the test's own, which takes root.</summary>
public sealed class DirectoryStoreTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private string Mount => _folder.File("volume");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Mount);
        var (exitCode, output) = await ChildProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", Mount]);
        Need.Part(exitCode == 0, $"the right to mount a tmpfs: {output}");
    }

    public async ValueTask DisposeAsync()
    {
        await ChildProcess.RunAsync("umount", [Mount]);
        _folder.Dispose();
    }

    [Fact]
    public async Task A_full_disk_is_said_leaves_nothing_half_and_works_again_when_there_is_room()
    {
        using var store = new DirectoryStore(new DirectoryStorage(Mount));
        var large = SampleFile.Make(_folder, 3 * 1024 * 1024);

        var failure = await Assert.ThrowsAsync<StoreException>(() => store.PutAsync("shop/heap", large.Path, large.Sha256, default));

        Assert.Equal((Reasons.DiskFull, true), (failure.Reason, failure.IsTransient));
        Assert.Empty(Directory.GetFiles(Mount, "*", SearchOption.AllDirectories));

        var small = SampleFile.Make(_folder, 1000);
        await store.PutAsync("shop/heap", small.Path, small.Sha256, default);
        Assert.Equal(await File.ReadAllBytesAsync(small.Path), await File.ReadAllBytesAsync(Path.Combine(Mount, "shop/heap")));
    }

    [Fact]
    public async Task A_read_only_volume_is_said()
    {
        using var store = new DirectoryStore(new DirectoryStorage(Mount));
        Assert.Equal(0, (await ChildProcess.RunAsync("mount", ["-o", "remount,ro", Mount])).ExitCode);
        var file = SampleFile.Make(_folder, 1000);

        foreach (var attempt in new Func<Task>[] { () => store.CheckAsync(default), () => store.PutAsync("shop/heap", file.Path, file.Sha256, default) })
        {
            var failure = await Assert.ThrowsAsync<StoreException>(attempt);
            Assert.Equal((Reasons.AccessDenied, false), (failure.Reason, failure.IsTransient));
            Assert.Contains("read-only", failure.Message, StringComparison.Ordinal);
        }
    }
}
