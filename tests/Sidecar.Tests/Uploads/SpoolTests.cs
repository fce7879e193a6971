using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class SpoolTests : IDisposable
{
    private readonly SpoolFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void What_was_captured_is_there_after_a_restart()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        SpoolFixture.Capture(capture, "heap.pb.gz", "heap");
        capture.Complete(record => record with { Phase = CapturePhase.Completed, Outcome = CaptureOutcome.OOMKilled });

        var spool = _fixture.Open();
        var found = Assert.Single(spool.Captures);
        Assert.True(found is { IsFinal: true, IsRecovered: true });
        Assert.Equal(CapturePhase.Completed, found.Record.Phase);
        Assert.Equal(SpoolFixture.Sha256("heap"), Assert.Single(found.Unstored).Sha256);
        Assert.Equal("heap", File.ReadAllText(found.PathOf("heap.pb.gz")));
        Assert.Equal(4, spool.UsedBytes);
    }

    [Fact]
    public void The_spool_never_holds_more_than_its_capacity()
    {
        var spool = _fixture.Open(capacity: 10);
        var capture = spool.Create(SpoolFixture.Record("a"));
        SpoolFixture.Capture(capture, "heap.pb.gz", "12345");
        using (var file = capture.Begin("cpu.pb.gz"))
        {
            file.Write("12345"u8);
            Assert.Equal(Reasons.SpoolFull, Assert.Throws<SpoolException>(() => file.Write("6"u8)).Reason);
            Assert.Equal(10, spool.UsedBytes);
        }
        Assert.Equal(5, spool.UsedBytes);
        Assert.False(File.Exists(capture.PathOf("cpu.pb.gz.part")));
        SpoolFixture.Capture(capture, "cpu.pb.gz", "12345");
        spool.SetCapacity(3);
        Assert.Throws<SpoolException>(() => SpoolFixture.Capture(capture, "memory.csv", "1"));
        capture.Remove();
        Assert.Equal(0, spool.UsedBytes);
        Assert.False(Directory.Exists(_fixture.PathOf("a")));
    }

    [Fact]
    public void Concurrent_writers_share_the_capacity_to_the_byte()
    {
        var spool = _fixture.Open(capacity: 50_000);
        var capture = spool.Create(SpoolFixture.Record("a"));
        Parallel.For(0, 100, i =>
        {
            try
            {
                SpoolFixture.Capture(capture, $"file{i}", new string('x', 1000));
            }
            catch (SpoolException)
            {
                // Full.
            }
        });
        Assert.InRange(capture.Unstored.Count, 40, 50);
        Assert.Equal(capture.Unstored.Count * 1000, spool.UsedBytes);
        Assert.Equal(capture.Unstored.Count, Assert.Single(_fixture.Open().Captures).Unstored.Count);
    }

    [Fact]
    public void What_is_replaced_gives_its_room_back_and_is_stored_anew()
    {
        var spool = _fixture.Open();
        var capture = spool.Create(SpoolFixture.Record("a"));
        SpoolFixture.Capture(capture, "report.html", "first");
        capture.MarkStored("report.html");
        SpoolFixture.Capture(capture, "report.html", "another");
        Assert.Equal(7, spool.UsedBytes);
        Assert.Equal(SpoolFixture.Sha256("another"), Assert.Single(capture.Unstored).Sha256);
    }

    [Fact]
    public void Captures_come_oldest_first()
    {
        var spool = _fixture.Open();
        foreach (var (id, minute) in new[] { ("b", 2), ("c", 1), ("a", 3) })
            spool.Create(SpoolFixture.Record(id, minute));
        Assert.Equal(["c", "b", "a"], spool.Captures.Select(capture => capture.Record.Id));
    }

    [Fact]
    public void Of_two_steps_of_one_request_the_one_that_is_missing_is_said()
    {
        PlannedCapture Step(CaptureVariant variant) => new(CaptureType.Heap, PlanDecisions.Chosen, null) { Variant = variant };
        var record = SpoolFixture.Record("a");
        var capture = _fixture.Open().Create(record with
        {
            Target = record.Target with { Runtime = new RuntimeIdentity(RuntimeKind.DotNet, "10.0.1") },
            Plan = [Step(CaptureVariant.PartialSnapshot), Step(CaptureVariant.HeapDump)],
        });
        SpoolFixture.Capture(capture, "heap.nettrace.gz", "sample");

        var artifacts = Assert.Single(_fixture.Open().Captures).Record.Artifacts;
        Assert.Equal([("heap.nettrace.gz", null), ("heap.dmp.gz", Reasons.Interrupted)], artifacts.Select(artifact => (artifact.Key, artifact.Reason)));
    }

    [Fact]
    public void A_file_that_was_finished_before_the_record_knew_is_taken_in()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap, CaptureType.Cpu));
        File.WriteAllText(capture.PathOf("heap.pb.gz"), "heap");
        File.WriteAllText(capture.PathOf("cpu.pb.gz.part"), "half");
        File.WriteAllText(capture.PathOf("capture.json.tmp"), "half");

        var found = Assert.Single(_fixture.Open().Captures);
        Assert.Equal(("Heap", 4, SpoolFixture.Sha256("heap")), (found.Unstored[0].Type, found.Unstored[0].Bytes, found.Unstored[0].Sha256));
        Assert.Equal(("Cpu", Reasons.Interrupted), Assert.Single(found.Record.Artifacts.Select(artifact => (artifact.Type, artifact.Reason)), artifact => artifact.Reason is not null));
        Assert.False(File.Exists(found.PathOf("cpu.pb.gz.part")));
        // Found out again, it is the same.
        Assert.Equal(found.Record.Artifacts, Assert.Single(_fixture.Open().Captures).Record.Artifacts);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_that_is_not_what_the_record_says_is_marked_and_judged_again(bool isGone)
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        SpoolFixture.Capture(capture, "heap.pb.gz", "heap");
        capture.Complete(record => record with { Phase = CapturePhase.Completed });
        File.Delete(capture.PathOf("heap.pb.gz"));
        if (!isGone)
            File.WriteAllText(capture.PathOf("heap.pb.gz"), "damaged");

        var spool = _fixture.Open();
        var found = Assert.Single(spool.Captures);
        Assert.False(found.IsFinal);
        Assert.Empty(found.Unstored);
        Assert.Equal(Reasons.Interrupted, Assert.Single(found.Record.Artifacts).Reason);
        Assert.Equal(0, spool.UsedBytes);
    }

    [Fact]
    public void What_is_stored_is_not_stored_again_after_a_restart()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        SpoolFixture.Capture(capture, "heap.pb.gz", "heap");
        SpoolFixture.Capture(capture, "cpu.pb.gz", "cpu");
        capture.MarkStored("heap.pb.gz");
        Assert.Equal(["cpu.pb.gz"], Assert.Single(_fixture.Open().Captures).Unstored.Select(artifact => artifact.Key));
    }

    [Fact]
    public void A_folder_without_anything_in_it_goes()
    {
        Directory.CreateDirectory(_fixture.PathOf("a"));
        Directory.CreateDirectory(_fixture.PathOf("b"));
        File.WriteAllText(_fixture.PathOf("b", "capture.json.tmp"), "{");
        Assert.Empty(_fixture.Open(out var unreadable).Captures);
        Assert.Empty(unreadable);
        Assert.Empty(Directory.GetDirectories(_fixture.PathOf("")));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"record\":null}")]
    public void What_cannot_be_understood_stays_and_is_told(string? json)
    {
        var good = _fixture.Open().Create(SpoolFixture.Record("good"));
        Directory.CreateDirectory(_fixture.PathOf("bad"));
        File.WriteAllText(_fixture.PathOf("bad", "heap.pb.gz"), "heap");
        if (json is not null)
            File.WriteAllText(_fixture.PathOf("bad", "capture.json"), json);
        Assert.Equal([good.Record.Id], _fixture.Open(out var unreadable).Captures.Select(capture => capture.Record.Id));
        Assert.StartsWith(_fixture.PathOf("bad"), Assert.Single(unreadable), StringComparison.Ordinal);
        Assert.Equal("heap", File.ReadAllText(_fixture.PathOf("bad", "heap.pb.gz")));
    }

    [Fact]
    public void A_record_damaged_anywhere_is_no_crash()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        SpoolFixture.Capture(capture, "heap.pb.gz", "heap");
        var path = capture.PathOf("capture.json");
        var whole = File.ReadAllBytes(path);
        for (var at = 0; at < whole.Length; at += 3)
        {
            File.WriteAllBytes(path, whole[..at]);
            Assert.Empty(_fixture.Open().Captures);
            var damaged = (byte[])whole.Clone();
            damaged[at] ^= 0x15;
            File.WriteAllBytes(path, damaged);
            _fixture.Open(out _);
        }
    }

    [Theory]
    [InlineData("\"alsoFired\":[],")]
    [InlineData("\"artifacts\":[],")]
    [InlineData("\"plan\":[],")]
    [InlineData("\"stored\":[],")]
    public void A_record_without_a_list_is_told(string list)
    {
        var path = _fixture.Open().Create(SpoolFixture.Record("a")).PathOf("capture.json");
        File.AppendAllText(_fixture.PathOf("a", "heap.pb.gz"), "heap");
        var json = File.ReadAllText(path);
        Assert.Contains(list, json, StringComparison.Ordinal);
        File.WriteAllText(path, json.Replace(list, "", StringComparison.Ordinal));
        _fixture.Open(out var unreadable);
        Assert.Single(unreadable);
    }

    [Theory]
    [InlineData("b")]
    [InlineData("../../x")]
    public void A_record_in_anothers_folder_is_told(string id)
    {
        var path = _fixture.Open().Create(SpoolFixture.Record("a")).PathOf("capture.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"id\":\"a\"", $"\"id\":\"{id}\"", StringComparison.Ordinal));
        Assert.Empty(_fixture.Open(out var unreadable).Captures);
        Assert.Single(unreadable);
    }

    [Fact]
    public void Trash_is_taken_out()
    {
        _fixture.Open();
        var trash = Path.Combine(_fixture.Directory, "trash");
        Directory.CreateDirectory(Path.Combine(trash, "a"));
        File.WriteAllText(Path.Combine(trash, "a", "heap.pb.gz"), "x");
        _fixture.Open();
        Assert.Empty(Directory.GetFileSystemEntries(trash));
    }

    [Fact]
    public void A_folder_that_may_not_be_written_is_a_reason()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        // A folder where a file should be is refused even to root.
        Directory.CreateDirectory(capture.PathOf("heap.pb.gz.part"));
        Assert.Equal(Reasons.Unexpected, Assert.Throws<SpoolException>(() => capture.Begin("heap.pb.gz")).Reason);
    }

    [Fact]
    public async Task A_full_disk_is_a_reason_and_costs_nothing_that_is_whole()
    {
        Need.Part(Environment.UserName == "root", "only root can mount a small disk");
        using var folder = new TemporaryFolder();
        Need.Part((await ChildProcess.RunAsync("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.Path])).ExitCode == 0, "no tmpfs can be mounted");
        try
        {
            using var fixture = new SpoolFixture(folder.Path);
            var spool = fixture.Open(10 << 20);
            var capture = spool.Create(SpoolFixture.Record("a", 0, CaptureType.Heap, CaptureType.Cpu));
            SpoolFixture.Capture(capture, "heap.pb.gz", new string('h', 100_000));
            using (var file = capture.Begin("cpu.pb.gz"))
            {
                Assert.Equal(Reasons.DiskFull, Assert.Throws<SpoolException>(() => file.Write(new byte[2_000_000])).Reason);
                Assert.Equal(100_000, spool.UsedBytes);
            }
            capture.Add(new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Error = "full", Reason = Reasons.DiskFull });
            // Somebody else takes the rest.
            var filler = Path.Combine(folder.Path, "filler");
            using (var file = File.OpenHandle(filler, FileMode.Create, FileAccess.Write))
                Assert.Throws<IOException>((Action)(() => Fill(file)));
            for (var i = 0; i < 100; i++)
                capture.Update(record => record with { OutcomeReason = new string('x', 10_000) });
            Assert.False(File.Exists(capture.PathOf("capture.json.tmp")));
            // A file that the record on disk does not know of, and no room to tell it.
            File.Move(capture.PathOf("heap.pb.gz"), capture.PathOf("allocs.pb.gz"));
            var found = Assert.Single(fixture.Open(10 << 20).Captures);
            Assert.Equal("Allocs", Assert.Single(found.Unstored).Type);
            File.Delete(filler);
            found.Complete(record => record with { Phase = CapturePhase.Partial });
            Assert.Equal("Allocs", Assert.Single(Assert.Single(fixture.Open(10 << 20).Captures).Unstored).Type);
        }
        finally
        {
            await ChildProcess.RunAsync("/bin/umount", [folder.Path]);
        }
    }

    private static void Fill(SafeFileHandle file)
    {
        for (var at = 0L; at < 1 << 20; at += 4096)
            RandomAccess.Write(file, new byte[4096], at);
    }
}
