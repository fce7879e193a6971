using System.Text;
using System.Text.Json;
using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class ProcessSnapshotTests : IDisposable
{
    private const string Status = "Name:\tgo-leak\nState:\tS (sleeping)\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\nThreads:\t9\nvoluntary_ctxt_switches:\t77\n";

    private readonly FakeProc _proc = new();

    public void Dispose() => _proc.Dispose();

    [Fact]
    public async Task It_tells_what_proc_tells()
    {
        _proc
            .With("status", Status)
            .With("smaps_rollup", "00400000-7fff00000000 ---p 00000000 00:00 0    [rollup]\nRss:    1024 kB\nPss_Anon:    512 kB\n")
            .With("limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 1048576              files     \nMax nice priority         0                    0                    \n")
            .With("oom_score", "667\n").With("oom_score_adj", "-998\n")
            .With("cgroup", "0::/kubepods/pod1/c1\n")
            .With("cmdline", "/app/server\0--password\0hunter2\0")
            .With("environ", "PORT=80\0DB_PASSWORD=hunter2\0PORT=81\0noise\0")
            .With("stat", "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 9 0 1234 1000000 256 0\n")
            .WithRoot("stat", "cpu 1 2 3\nbtime 1700000000\n")
            .WithLink("exe", "/app/server").WithLink("cwd", "/app")
            .WithLink("fd/0", "/dev/null").WithLink("fd/1", "pipe:[1]").WithLink("fd/2", "pipe:[1]").WithLink("fd/3", "socket:[7]").WithLink("fd/4", "anon_inode:[eventpoll]").WithLink("fd/5", "/app/data");

        var json = await CaptureAsync();

        Assert.Equal("premortem.dev/process/v1", json.GetProperty("schema").GetString());
        Assert.Equal("/app/server", json.GetProperty("executable").GetString());
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1700000012340), json.GetProperty("startedAt").GetDateTimeOffset());
        Assert.Equal(1024 * 1024, json.GetProperty("status").GetProperty("vmRSSBytes").GetInt64());
        Assert.Equal(77, json.GetProperty("status").GetProperty("voluntaryCtxtSwitches").GetInt64());
        Assert.Equal("S (sleeping)", json.GetProperty("status").GetProperty("state").GetString());
        Assert.Equal(512 * 1024, json.GetProperty("smapsRollup").GetProperty("pssAnonBytes").GetInt64());
        Assert.Equal("1024 1048576 files", Limit(json, "maxOpenFiles"));
        Assert.Equal("0 0 ", Limit(json, "maxNicePriority"));
        Assert.Equal((667, -998), (json.GetProperty("oomScore").GetInt32(), json.GetProperty("oomScoreAdj").GetInt32()));
        Assert.Equal("0::/kubepods/pod1/c1", json.GetProperty("cgroups")[0].GetString());
        Assert.Equal("/app/server --password ***", string.Join(' ', json.GetProperty("commandLine").EnumerateArray()));
        Assert.Equal("""{"PORT":"80","DB_PASSWORD":"***"}""", JsonSerializer.Serialize(json.GetProperty("environment")));
        Assert.Equal("""{"total":6,"anonymous":1,"device":1,"file":1,"pipe":2,"socket":1}""", JsonSerializer.Serialize(json.GetProperty("fileDescriptors")));
        Assert.Equal(0, json.GetProperty("denied").GetArrayLength());
    }

    [Fact]
    public async Task A_kernel_that_tells_less_is_no_failure()
    {
        _proc.With("status", Status);
        Assert.Equal(0, (await CaptureAsync()).GetProperty("denied").GetArrayLength());
    }

    [Fact]
    public async Task A_process_that_is_gone_is_told()
    {
        var result = await new ProcessSnapshot(TimeProvider.System, _proc.Root).CaptureAsync(77, Stream.Null, default);
        Assert.Equal(Reasons.TargetExited, Assert.IsType<CaptureResult.Failed>(result).Reason);
    }

    [Fact]
    public async Task An_environment_is_read_to_its_bound_and_no_variable_by_half()
    {
        _proc.With("status", Status).With("environ", $"A={new string('a', 65000)}\0URL=postgres://app:{new string('h', 2000)}@db\0");
        var json = await CaptureAsync();
        Assert.Equal(["A"], json.GetProperty("environment").EnumerateObject().Select(each => each.Name));
        Assert.True(json.GetProperty("environmentIsCut").GetBoolean());
    }

    [Fact]
    public async Task It_tells_of_a_real_process()
    {
        await using var process = ChildProcess.Start("/bin/sleep", ["60"], environment: new Dictionary<string, string?> { ["API_TOKEN"] = "hunter2" });
        // It counts as started a moment before the kernel has its arguments in place.
        await Eventually.IsTrue(() => File.ReadAllBytes($"/proc/{process.Id}/cmdline").Length > 0, "the process has its arguments");
        var written = new MemoryStream();
        await new ProcessSnapshot(TimeProvider.System).CaptureAsync(process.Id, written, default);
        var text = Encoding.UTF8.GetString(written.ToArray());
        var json = JsonDocument.Parse(text).RootElement;
        Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
        Assert.True(json.GetProperty("smapsRollup").GetProperty("rssBytes").GetInt64() > 0);
        Assert.InRange(json.GetProperty("startedAt").GetDateTimeOffset(), TimeProvider.System.GetUtcNow().AddMinutes(-5), TimeProvider.System.GetUtcNow().AddMinutes(1));
        Assert.Equal("/bin/sleep 60", string.Join(' ', json.GetProperty("commandLine").EnumerateArray()));
        Assert.True(json.GetProperty("limits").TryGetProperty("maxOpenFiles", out _));
    }

    [Fact]
    public async Task What_may_not_be_read_is_named()
    {
        await using var process = ChildProcess.Start("/bin/sleep", ["60"]);
        var denied = AnotherUser.Runs(() =>
            JsonDocument.Parse(new ProcessSnapshot(TimeProvider.System).Collect(process.Id)!.WrittenMemory)
                .RootElement.GetProperty("denied").EnumerateArray().Select(each => each.GetString()).ToList());
        Assert.Contains("environ", denied);
        Assert.Contains("fd", denied);
        Assert.DoesNotContain("status", denied);
    }

    private static string Limit(JsonElement json, string name)
    {
        var limit = json.GetProperty("limits").GetProperty(name);
        return $"{limit.GetProperty("soft")} {limit.GetProperty("hard")} {(limit.TryGetProperty("unit", out var unit) ? unit.GetString() : "")}";
    }

    private async Task<JsonElement> CaptureAsync()
    {
        var written = new MemoryStream();
        var result = await new ProcessSnapshot(TimeProvider.System, _proc.Root).CaptureAsync(FakeProc.Pid, written, default);
        Assert.Equal(written.Length, Assert.IsType<CaptureResult.Captured>(result).Bytes);
        return JsonDocument.Parse(written.ToArray()).RootElement;
    }
}
