using System.Text;
using Premortem.Contracts;
using Premortem.Sidecar.Uploads;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class BaselineShelfTests : IDisposable
{
    private const string Life = "aa-7-100";

    private readonly SpoolFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void As_many_as_are_wanted_are_kept_and_the_newest_is_first()
    {
        var shelf = _fixture.Open().Baselines;
        for (var i = 0; i < 5; i++)
            Take(shelf, Life, i, $"heap {i}", keep: 2);
        Assert.Equal([4, 3], shelf.Of(Life).Select(Minute));
        Assert.Equal(["heap 4", "heap 3"], shelf.Of(Life).Select(baseline => File.ReadAllText(baseline.Path)));
        Assert.Equal(2, Files().Length);
        Assert.Equal(12, shelf.Bytes);
        Assert.Equal(SpoolFixture.Sha256("heap 4"), shelf.Of(Life)[0].Sha256);
    }

    [Fact]
    public void The_last_one_of_a_heap_stays_beside_newer_ones_of_allocations()
    {
        var shelf = _fixture.Open().Baselines;
        for (var i = 0; i < 6; i++)
            Take(shelf, Life, i, $"{i}", keep: 2, key: i < 2 ? "heap.nettrace.gz" : "allocations.nettrace");
        Assert.Equal([5, 1], shelf.Of(Life).Select(Minute));
        Take(shelf, Life, 6, "6", keep: 2, key: "heap.nettrace.gz");
        Assert.Equal([6, 5], shelf.Of(Life).Select(Minute));
        Take(shelf, Life, 7, "7", keep: 1, key: "allocations.nettrace");
        Assert.Equal([7], shelf.Of(Life).Select(Minute));
    }

    [Fact]
    public void The_one_of_goroutines_stands_behind_those_of_memory_and_takes_no_place_of_theirs()
    {
        var shelf = _fixture.Open().Baselines;
        Take(shelf, Life, 0, "0");
        Take(shelf, Life, 1, "goroutines", keep: 1, key: "goroutine.pb.gz");
        for (var i = 2; i < 6; i++)
            Take(shelf, Life, i, $"{i}", keep: 2);
        Assert.Equal([5, 4, 1], shelf.Of(Life).Select(Minute));
        Take(shelf, Life, 6, "more", keep: 1, key: "goroutine.pb.gz");
        Assert.Equal([5, 4, 6], shelf.Of(Life).Select(Minute));
        Assert.Equal([5, 4, 6], _fixture.Open().Baselines.Of(Life).Select(Minute));
    }

    [Fact]
    public void What_the_runtime_said_of_its_heap_is_kept_with_it()
    {
        HeapFigures?[] all = [new HeapFigures(30_000_000, 20_000_000, 7), new HeapFigures(null, null, 0), new HeapFigures(5, null, 1), null];
        var shelf = _fixture.Open().Baselines;
        foreach (var heap in all)
            Take(shelf, Life, Array.IndexOf(all, heap), "x", keep: 9, heap: heap);
        Assert.Equal(all.Reverse(), _fixture.Open().Baselines.Of(Life).Select(baseline => baseline.Heap));
    }

    [Fact]
    public void A_capture_that_was_cut_off_while_they_were_copied_into_it_knows_how_old_they_are()
    {
        var spool = _fixture.Open();
        Take(spool.Baselines, Life, 1, "one", heap: new HeapFigures(1, 2, 3));
        var capture = spool.Create(SpoolFixture.Record("a"));
        // Whole in the folder, and not in the record: the sidecar was killed in between.
        foreach (var (key, content) in new[] { ("baseline-heap.pb.gz", "one"), ("baseline-2-heap.pb.gz", "nobody knows of which age") })
        {
            using var file = capture.Begin(key);
            file.Write(Encoding.UTF8.GetBytes(content));
            file.Complete();
        }
        var adopted = Assert.Single(Assert.Single(_fixture.Open().Captures).Record.Artifacts, artifact => artifact.Type == ArtifactKeys.Baseline);
        Assert.Equal(("baseline-heap.pb.gz", SpoolFixture.Start.AddMinutes(1), new HeapFigures(1, 2, 3)), (adopted.Key, adopted.TakenAt!.Value, adopted.Heap));
    }

    [Fact]
    public void They_are_there_after_a_restart_but_not_what_was_half_written()
    {
        var before = _fixture.Open().Baselines;
        Take(before, Life, 1, "one");
        Take(before, Life, 2, "two");
        File.WriteAllText(Path.Combine(Folder(Life), "new.part"), "half");
        File.WriteAllText(Path.Combine(Folder(Life), "new"), "whole, without a name");
        Directory.CreateDirectory(Folder("bb-1-1"));

        var shelf = _fixture.Open().Baselines;
        Assert.Equal(before.Of(Life), shelf.Of(Life));
        Assert.Equal(6, shelf.Bytes);
        Assert.Equal(2, Files().Length);
        Assert.False(Directory.Exists(Folder("bb-1-1")));
    }

    [Fact]
    public void Lives_that_ended_unseen_are_dropped_when_their_target_has_another()
    {
        var before = _fixture.Open().Baselines;
        foreach (var life in (string[])[Life, "aa-8-200", "bb-9-300"])
            Take(before, life, 1, "x");
        var shelf = _fixture.Open().Baselines;
        Assert.Single(shelf.Of("aa-8-200"));
        shelf.DropUnclaimed("aa-");
        Assert.False(Directory.Exists(Folder(Life)));
        Assert.Single(shelf.Of("aa-8-200"));
        Assert.Single(shelf.Of("bb-9-300"));
        shelf.Drop("aa-8-200");
        Assert.Empty(shelf.Of("aa-8-200"));
        Assert.Equal(1, shelf.Bytes);
    }

    [Fact]
    public void They_have_a_small_share_of_the_spool()
    {
        var shelf = _fixture.Open(capacity: 800).Baselines;
        Take(shelf, Life, 1, new string('x', 60));
        Assert.Equal(Reasons.SpoolFull, Assert.Throws<SpoolException>(() => Take(shelf, Life, 2, new string('x', 60))).Reason);
        Assert.Equal(60, shelf.Bytes);
        Assert.Single(Files());
        Take(shelf, Life, 3, new string('x', 40));
        Assert.Equal(100, shelf.Bytes);
    }

    [Fact]
    public void Those_that_nobody_has_asked_for_make_room_for_new_ones()
    {
        Take(_fixture.Open(capacity: 800).Baselines, "cc-1-1", 1, new string('x', 90));
        var shelf = _fixture.Open(capacity: 800).Baselines;
        Take(shelf, Life, 2, new string('x', 60));
        Assert.Equal(60, shelf.Bytes);
        Assert.Empty(shelf.Of("cc-1-1"));
    }

    [Fact]
    public void A_capture_that_needs_the_room_has_it_and_the_oldest_go_first()
    {
        var spool = _fixture.Open(capacity: 1000);
        Take(spool.Baselines, Life, 2, new string('x', 50));
        Take(spool.Baselines, "bb-9-300", 1, new string('x', 50));
        var capture = spool.Create(SpoolFixture.Record("a"));
        SpoolFixture.Capture(capture, "heap.pb.gz", new string('y', 900));
        Assert.Equal(100, spool.Baselines.Bytes);
        SpoolFixture.Capture(capture, "cpu.pb.gz", new string('y', 40));
        Assert.Empty(spool.Baselines.Of("bb-9-300"));
        Assert.Single(spool.Baselines.Of(Life));
        SpoolFixture.Capture(capture, "goroutine.pb.gz", new string('y', 60));
        Assert.Equal((0, 1000), (spool.Baselines.Bytes, spool.UsedBytes));
        Assert.Throws<SpoolException>(() => Take(spool.Baselines, Life, 3, "z"));
        Assert.Equal(0, spool.Baselines.Bytes);
    }

    [Theory]
    [InlineData("12.abc.heap.pb.gz")]
    [InlineData("12.{0}.heap.pb.gz")]
    [InlineData("x..{0}.heap.pb.gz")]
    [InlineData("12..{0}.other")]
    [InlineData("99999999999999999999..{0}.heap.pb.gz")]
    [InlineData("999999999999999999..{0}.heap.pb.gz")]
    public void A_file_that_is_none_of_ours_is_no_baseline(string name)
    {
        Take(_fixture.Open().Baselines, Life, 1, "x");
        File.WriteAllText(Path.Combine(Folder(Life), name.Replace("{0}", new string('a', 64), StringComparison.Ordinal)), "y");
        Assert.Single(_fixture.Open().Baselines.Of(Life));
    }

    private static void Take(BaselineShelf shelf, string life, int minute, string content, int keep = 2, string key = "heap.pb.gz", HeapFigures? heap = null)
    {
        using var file = shelf.Begin(life);
        file.Write(Encoding.UTF8.GetBytes(content));
        shelf.Complete(life, file, SpoolFixture.Start.AddMinutes(minute), key, heap, keep);
    }

    private static int Minute(Baseline baseline) => (int)(baseline.TakenAt - SpoolFixture.Start).TotalMinutes;

    private string Folder(string life) => Path.Combine(_fixture.Directory, "baselines", life);

    private string[] Files() => Directory.GetFiles(Path.Combine(_fixture.Directory, "baselines"), "*", SearchOption.AllDirectories);
}
