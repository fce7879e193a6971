using System.Globalization;
using System.Text.Json.Nodes;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>What a person at a terminal gets for what they type.</summary>
public sealed class CommandLineTests
{
    private static string Self => Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("[{name: a, memoryUsage: {threshold: 130%}}]", null, "spec.triggers[0].memoryUsage.threshold")]
    [InlineData("[{name: a, memoryUsage: {threshold: 900Mb}}]", null, "spec.triggers[0].memoryUsage.threshold")]
    [InlineData("[{name: a, memoryUse: {threshold: 80%}}]", null, "spec.triggers[0].memoryUse")]
    [InlineData("[]", null, "spec.triggers")]
    [InlineData("[{name: a, memoryUsage: {threshold: 80%}}]", "{cooldown: soon}", "spec.limits.cooldown")]
    [InlineData("[{name: a, memoryUsage: {threshold: 80%}}]", "{coolDown: 10m}", "spec.limits.coolDown")]
    public async Task A_wrong_policy_is_refused_with_the_fields_path(string triggers, string? limits, string path)
    {
        using var ground = new SidecarGround(triggers, limits: limits);
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, "--pid", Self);
        Assert.Equal(2, exitCode);
        Assert.Contains(path, output);
        Assert.Contains(ground.Policy, output);
    }

    [Theory]
    [InlineData("spec: [", "line ")]
    [InlineData("", "")]
    [InlineData("{apiVersion: v1, kind: Pod}", "kind")]
    public async Task What_is_no_policy_is_refused(string content, string part)
    {
        using var ground = new SidecarGround();
        await File.WriteAllTextAsync(ground.Policy, content);
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, "--pid", Self);
        Assert.Equal(2, exitCode);
        Assert.Contains(part, output);
        Assert.NotEmpty(output);
        File.Delete(ground.Policy);
        Assert.Equal(2, (await SidecarProcess.RunAsync(ground, "--pid", Self)).ExitCode);
    }

    [Theory]
    [InlineData("exactly one of", "--pod", "--cgroup", "/sys/fs/cgroup")]
    [InlineData("exactly one of")]
    [InlineData("--pid", "--pid", "0")]
    [InlineData("--pid", "--pid", "abc")]
    [InlineData("'256MB'", "--pod", "--memory-limit", "256MB")]
    [InlineData("'soon'", "--pod", "--grace-period", "soon")]
    [InlineData("--nope", "--pod", "--nope")]
    public async Task Wrong_options_are_a_usage_error(string part, params string[] arguments)
    {
        using var ground = new SidecarGround();
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, arguments);
        Assert.Equal(2, exitCode);
        Assert.Contains(part, output);
        // A line or two, not a page.
        Assert.InRange(output.Split('\n').Length, 1, 4);
    }

    [Theory]
    [InlineData("--pid", "2147483646")]
    [InlineData("--cgroup", "/sys/fs/cgroup/nowhere")]
    [InlineData("--cgroup", "/tmp")]
    public async Task Nothing_to_watch_is_said(string option, string value)
    {
        using var ground = new SidecarGround();
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, option, value);
        Assert.Equal(3, exitCode);
        Assert.Contains($"{option} {value}", output);
    }

    [Fact]
    public async Task A_process_that_has_ended_and_is_not_reaped_is_nothing_to_watch()
    {
        using var ground = new SidecarGround();
        await using var parent = ChildProcess.Start("/bin/sh", ["-c", "sleep 1 & echo child $!; exec sleep 60"]);
        var line = await parent.WaitForLineAsync("child ");
        var zombie = line.Split(' ')[1];
        await Eventually.Holds(() => File.ReadAllText($"/proc/{zombie}/stat"), stat => stat.Contains(") Z ", StringComparison.Ordinal), "a zombie");
        Assert.Equal(3, (await SidecarProcess.RunAsync(ground, "--pid", zombie)).ExitCode);
    }

    [Fact]
    public async Task A_spool_that_cannot_be_used_is_said()
    {
        using var ground = new SidecarGround();
        await File.WriteAllTextAsync(ground.Spool, "a file");
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, "--pid", Self);
        Assert.Equal(4, exitCode);
        Assert.Contains($"--spool {ground.Spool}", output);
    }

    [Fact]
    public async Task A_dry_run_says_what_it_found_would_do_and_why()
    {
        using var ground = new SidecarGround("[{name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}, {name: oom-ahead, timeToLimit: {within: 20s}}]", "[{type: Heap}, {type: Cpu, duration: 5s}]");
        using var cgroup = MemoryCgroup.Create(128 << 20);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-mode", "hold", "-size", "20"]);
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, "--cgroup", cgroup.Path, "--dry-run");
        Assert.Equal(0, exitCode);
        Assert.Contains(cgroup.Path, output);
        Assert.Contains("limit 128 MiB", output);
        Assert.Contains("Go go1.", output);
        Assert.Contains(new Uri(target.Pprof, "debug/pprof/").ToString(), output);
        Assert.Contains("near-limit", output);
        Assert.Contains("oom-ahead", output);
        Assert.Contains("Heap: chosen", output);
        Assert.Contains("Cpu: chosen for 5s; expected to take 5s and 4 MiB in the target", output);
        Assert.Contains($"file://{ground.Store}", output);
        Assert.False(Directory.Exists(ground.Store));
        Assert.False(Directory.Exists(ground.Spool));
    }

    [Fact]
    public async Task Help_and_version_are_there()
    {
        var (helped, help) = await ChildProcess.RunAsync(SidecarProcess.Program, ["run", "--help"]);
        Assert.Equal(0, helped);
        Assert.All((string[])["--policy", "--pid", "--cgroup", "--pod", "--spool", "--memory-limit", "--grace-period", "--dry-run", "--log-format", "--log-level"], option => Assert.Contains(option, help));
        var (rootHelped, rootHelp) = await ChildProcess.RunAsync(SidecarProcess.Program, ["--help"]);
        Assert.Equal(0, rootHelped);
        Assert.Contains("Exit codes", rootHelp);
        var (versioned, version) = await ChildProcess.RunAsync(SidecarProcess.Program, ["--version"]);
        Assert.Equal(0, versioned);
        Assert.Matches(@"^\d+\.\d+\.\d+", version);
        Assert.Equal(2, (await ChildProcess.RunAsync(SidecarProcess.Program, [])).ExitCode);
        var (replayHelped, replayHelp) = await ChildProcess.RunAsync(SidecarProcess.Program, ["replay", "--help"]);
        Assert.Equal(0, replayHelped);
        Assert.All((string[])["--policy", "--limit", "--output", "Examples:", "Exit codes:"], word => Assert.Contains(word, replayHelp));
    }

    [Fact]
    public async Task A_recorded_leak_is_replayed_and_a_wrong_file_refused()
    {
        using var folder = new TemporaryFolder();
        var policy = folder.File("policy.yaml");
        await File.WriteAllTextAsync(
            policy,
            """
            {apiVersion: premortem.dev/v1alpha1, kind: ProfilePolicy, metadata: {name: leak}, spec: {storage: {directory: {path: /x}}, triggers: [
              {name: leak, risingFloor: {window: 2m, growth: 10%}}, {name: nightly, schedule: {cron: "0 3 * * *", timeZone: Europe/Berlin}}]}}
            """,
            TestContext.Current.CancellationToken);
        var recorded = Repository.Path("tests", "Sidecar.Tests", "Triggers", "testdata", "go-leak.csv");
        var (played, text) = await ChildProcess.RunAsync(SidecarProcess.Program, ["replay", recorded, "--policy", policy]);
        Assert.Equal(0, played);
        Assert.Contains("fired     leak 1, nightly 0", text);
        var (_, json) = await ChildProcess.RunAsync(SidecarProcess.Program, ["replay", recorded, "--policy", policy, "-o", "json"]);
        Assert.Equal(1, (int?)JsonNode.Parse(json)!["summary"]!["fired"]!["leak"]);
        var (refused, why) = await ChildProcess.RunAsync(SidecarProcess.Program, ["replay", policy, "--policy", policy]);
        Assert.Equal(2, refused);
        Assert.Contains("line 1: is no header of a memory.csv", why);
        Assert.Equal(2, (await ChildProcess.RunAsync(SidecarProcess.Program, ["replay", recorded, "--policy", policy, "--limit", "much"])).ExitCode);
    }
}
