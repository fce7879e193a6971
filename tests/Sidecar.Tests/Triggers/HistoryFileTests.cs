using Premortem.Sidecar.Triggers;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

public sealed class HistoryFileTests : IDisposable
{
    private static readonly DateTimeOffset s_at = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    private string Path => _folder.File("triggers.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_kept_is_there_after_a_restart()
    {
        var history = TriggerHistory.Empty.With("near-limit", s_at).With("oom-ahead", s_at.AddMinutes(1));
        Keep(new HistoryFile(Path), "app", history);
        var restored = new HistoryFile(Path).For("app");
        Assert.Equal(s_at, restored.LastFired["near-limit"]);
        Assert.Equal([s_at, s_at.AddMinutes(1)], restored.Captures);
        Assert.Same(TriggerHistory.Empty, new HistoryFile(Path).For("another"));
    }

    [Fact]
    public void Each_target_has_its_own()
    {
        var file = new HistoryFile(Path);
        Keep(file, "a", TriggerHistory.Empty.With("x", s_at));
        Keep(file, "b", TriggerHistory.Empty.With("y", s_at));
        Keep(file, "a", file.For("a").With("x", s_at.AddHours(1)));
        var restored = new HistoryFile(Path);
        Assert.Equal(s_at.AddHours(1), restored.For("a").LastFired["x"]);
        Assert.Equal(s_at, restored.For("b").LastFired["y"]);
    }

    [Fact]
    public void What_is_older_than_a_day_is_let_go() =>
        Assert.Equal([s_at.AddHours(25)], TriggerHistory.Empty.With("x", s_at).With("x", s_at.AddHours(25)).Captures);

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"app\":null}")]
    [InlineData("{\"app\":{\"captures\":null}}")]
    [InlineData("{\"app\":{\"lastFired\":null}}")]
    [InlineData("{\"app\":{\"lastFired\":{\"x\":\"yesterday\"}}}")]
    [InlineData("{\"app\":{}}")]
    [InlineData("\0\0\0\0")]
    public void A_damaged_file_is_no_history_and_no_crash(string content)
    {
        File.WriteAllText(Path, content);
        var history = new HistoryFile(Path).For("app").With("x", s_at);
        Assert.Single(history.Captures);
    }

    [Fact]
    public void A_file_cut_anywhere_is_no_crash()
    {
        Keep(new HistoryFile(Path), "app", TriggerHistory.Empty.With("near-limit", s_at));
        var whole = File.ReadAllBytes(Path);
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(Path, whole[..length]);
            Assert.Empty(new HistoryFile(Path).For("app").Captures);
        }
    }

    [Fact]
    public void What_cannot_be_written_leaves_what_was()
    {
        var file = new HistoryFile(Path);
        Keep(file, "app", TriggerHistory.Empty.With("x", s_at));
        Directory.CreateDirectory(Path + ".tmp");
        Assert.ThrowsAny<Exception>(() => Keep(file, "app", TriggerHistory.Empty.With("x", s_at.AddDays(1))));
        Assert.Equal(s_at, new HistoryFile(Path).For("app").LastFired["x"]);
    }

    private static void Keep(HistoryFile file, string target, TriggerHistory history)
    {
        file.Note(target, history);
        file.Write();
    }
}
