using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class DirectoryStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly DirectoryStore _store;

    public DirectoryStoreTests() => _store = new DirectoryStore(new DirectoryStorage(Root));

    private string Root => _folder.File("made/by/itself");

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData((20 * 1024 * 1024) + 1)]
    public async Task A_file_of_any_size_stands_under_its_key_and_nothing_else_does(long bytes)
    {
        var file = SampleFile.Make(_folder, bytes);

        await _store.PutAsync("shop/api/heap.pb.gz", file.Path, file.Sha256, default);

        Assert.Equal(await File.ReadAllBytesAsync(file.Path), await File.ReadAllBytesAsync(Path.Combine(Root, "shop/api/heap.pb.gz")));
        Assert.Single(Directory.GetFiles(Root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_second_file_replaces_the_first()
    {
        var file = SampleFile.Make(_folder, 20);
        await _store.PutAsync("heap", file.Path, file.Sha256, default);
        var newer = SampleFile.Make(_folder, 30);
        await _store.PutAsync("heap", newer.Path, newer.Sha256, default);
        Assert.Equal(await File.ReadAllBytesAsync(newer.Path), await File.ReadAllBytesAsync(Path.Combine(Root, "heap")));
    }

    [Fact]
    public async Task A_file_that_changed_since_the_capture_is_not_stored()
    {
        var file = SampleFile.Make(_folder, 1000);

        var failure = await Assert.ThrowsAsync<StoreException>(() => _store.PutAsync("heap", file.Path, SampleFile.Make(_folder, 1000).Sha256, default));

        Assert.Equal((Reasons.ContentMismatch, false), (failure.Reason, failure.IsTransient));
        Assert.Empty(Directory.GetFiles(Root));
    }

    [Fact]
    public async Task Temporary_files_of_the_folder_are_abandoned_and_nothing_else()
    {
        var file = SampleFile.Make(_folder, 10);
        await _store.PutAsync("one/heap", file.Path, file.Sha256, default);
        await _store.PutAsync("two/heap", file.Path, file.Sha256, default);
        foreach (var folder in new[] { "one", "two" })
            await File.WriteAllTextAsync(Path.Combine(Root, folder, $".abc{DirectoryStore.UnfinishedSuffix}"), "half");

        await _store.AbandonUnfinishedAsync("one/", default);
        await _store.AbandonUnfinishedAsync("not/there/", default);

        Assert.Equal(["heap"], Directory.GetFiles(Path.Combine(Root, "one")).Select(Path.GetFileName));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(Root, "two")).Length);
    }

    [Fact]
    public async Task The_check_leaves_nothing_behind_not_even_folders()
    {
        await _store.CheckAsync(default);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task A_file_in_the_way_of_a_folder_is_said()
    {
        var file = SampleFile.Make(_folder, 10);
        await _store.PutAsync("shop", file.Path, file.Sha256, default);

        var failure = await Assert.ThrowsAsync<StoreException>(() => _store.PutAsync("shop/heap", file.Path, file.Sha256, default));

        Assert.Equal((Reasons.StoreRefused, false), (failure.Reason, failure.IsTransient));
    }

    [Theory]
    [InlineData("../heap")]
    [InlineData("/etc/heap")]
    [InlineData("shop/../../heap")]
    public async Task A_key_that_leads_out_of_the_store_is_refused(string key) =>
        await Assert.ThrowsAsync<ArgumentException>(() => _store.PutAsync(key, SampleFile.Make(_folder, 1).Path, "", default));

    [Fact]
    public void A_location_is_a_url() => Assert.Equal($"file://{Root}/shop/heap%20%231", _store.Locate("shop/heap #1"));
}
