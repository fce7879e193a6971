using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Sidecar.Settings;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Settings;

public sealed class SettingsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly PodConfig _config;
    private readonly SettingsFile _file;
    private int _changes;

    public SettingsFileTests()
    {
        _config = new PodConfig(_folder.Path);
        _file = new SettingsFile(
            _config.File,
            text => text.StartsWith("ok ", StringComparison.Ordinal)
                ? (new FollowedSettings(new SidecarSettings { Revision = text[3..] }, []), null, [])
                : throw new FormatException($"'{text}' is wrong"),
            NullLogger<SettingsFile>.Instance);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_is_exchanged_is_followed()
    {
        _config.Write("ok 1");
        await FollowedAsync("1");
        _config.Write("ok 2");
        await FollowedAsync("2");
        Assert.Equal(2, _changes);
        Assert.Null(_file.Error);
    }

    [Fact]
    public async Task A_file_that_is_not_there_yet_is_waited_for()
    {
        await Eventually.IsTrue(() => Looked().Error?.Contains("cannot be read", StringComparison.Ordinal) == true, "a missing file is told");
        Assert.Null(_file.Newest);
        _config.Write("");
        await Eventually.IsTrue(() => Looked().Error?.Contains(Names.ConfigAnnotation, StringComparison.Ordinal) == true, "an empty file is told");
        Assert.Null(_file.Newest);
        _config.Write("ok 1");
        await FollowedAsync("1");
        Assert.Null(_file.Error);
    }

    [Fact]
    public async Task What_cannot_be_understood_keeps_the_last_and_is_told()
    {
        _config.Write("ok 1");
        await FollowedAsync("1");
        _config.Write("nonsense");
        await Eventually.IsTrue(() => Looked().Error == "'nonsense' is wrong", "the error");
        Assert.Equal("1", _file.Newest?.Revision);
        _config.Write("ok 2");
        await FollowedAsync("2");
        Assert.Null(_file.Error);
    }

    [Fact]
    public async Task A_file_that_is_gone_for_a_moment_changes_nothing()
    {
        _config.Write("ok 1");
        await FollowedAsync("1");
        var first = _file.Newest;
        File.Delete(_config.File);
        await Eventually.IsTrue(() => Looked().Error is not null, "the error");
        _config.Write("ok 1");
        await Eventually.IsTrue(() => Looked().Error is null, "no error any more");
        Assert.Same(first, _file.Newest);
    }

    [Fact]
    public async Task More_than_may_be_there_is_not_read()
    {
        _config.Write(new string('x', (1 << 20) + 1));
        await Eventually.IsTrue(() => Looked().Error?.Contains("larger", StringComparison.Ordinal) == true, "too large");
    }

    [Fact]
    public async Task What_has_not_changed_is_not_read_again_each_time()
    {
        _config.Write("ok 1");
        await FollowedAsync("1");
        var first = _file.Newest;
        for (var i = 0; i < 100; i++)
            await LookAsync();
        Assert.Same(first, _file.Newest);
        Assert.Equal(1, _changes);
    }

    private SettingsFile Looked()
    {
        _file.Look(() => Interlocked.Increment(ref _changes));
        return _file;
    }

    private async Task LookAsync()
    {
        Looked();
        await Task.Yield();
    }

    private Task<string?> FollowedAsync(string revision) => Eventually.Holds(() => Looked().Newest?.Revision, seen => seen == revision && Volatile.Read(ref _changes) > 0, $"revision {revision}");
}
