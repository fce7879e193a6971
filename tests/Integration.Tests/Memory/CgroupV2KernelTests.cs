using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Memory;

/// <summary>cgroup v2 as a real kernel has it, whatever the machine that runs the tests has.</summary>
[Collection(nameof(WholeMachine))]
public sealed class CgroupV2KernelTests
{
    private const long Limit = 128L << 20;

    [Fact]
    public async Task A_leak_is_killed_at_the_limit_and_the_kernel_says_so()
    {
        using var vm = await VirtualMachine.RunAsync(
            Repository.TestData("oom-kill.sh"),
            files: new Dictionary<string, string> { [GoLeak.Program] = "/bin/go-leak" });

        Assert.True(vm.ExitCode == 0, $"the script ended with {vm.ExitCode}:\n{vm.Console}");
        Assert.Equal("137", vm.Read("after/exit-code").Trim());

        Assert.Equal(0, Value(vm.Read("before/memory.events"), "oom_kill"));
        Assert.True(Value(vm.Read("after/memory.events"), "oom_kill") >= 1, vm.Read("after/memory.events"));
        Assert.InRange(long.Parse(vm.Read("before/memory.current"), CultureInfo.InvariantCulture), Limit / 4, Limit);
        Assert.InRange(long.Parse(vm.Read("after/memory.peak"), CultureInfo.InvariantCulture), Limit, Limit + (1 << 20));
        Assert.Equal(Limit, long.Parse(vm.Read("before/memory.max"), CultureInfo.InvariantCulture));
        Assert.True(Value(vm.Read("before/memory.stat"), "anon") > 0, vm.Read("before/memory.stat"));
        Assert.StartsWith("some avg10=", vm.Read("before/memory.pressure"));
        Assert.Equal("0::/leak", vm.Read("before/cgroup").Trim());
        Assert.Contains(" - cgroup2 ", vm.Read("before/mountinfo"));
    }

    [Fact]
    public async Task A_written_file_fills_the_usage_and_kills_nobody()
    {
        using var vm = await VirtualMachine.RunAsync(
            Repository.TestData("page-cache.sh"),
            files: new Dictionary<string, string> { [GoLeak.Program] = "/bin/go-leak" },
            diskMegabytes: 256);

        Assert.True(vm.ExitCode == 0, $"the script ended with {vm.ExitCode}:\n{vm.Console}");
        var usage = long.Parse(vm.Read("page-cache/memory.current"), CultureInfo.InvariantCulture);
        Assert.InRange(usage, Limit * 8 / 10, Limit);
        Assert.InRange(usage - Value(vm.Read("page-cache/memory.stat"), "inactive_file"), 0, Limit / 2);
        Assert.Equal(0, Value(vm.Read("page-cache/memory.events"), "oom_kill"));
    }

    [Fact]
    public async Task The_native_sidecar_brings_the_heap_home_before_the_kill()
    {
        using var vm = await VirtualMachine.RunAsync(
            Repository.TestData("sidecar.sh"),
            files: new Dictionary<string, string> { [GoLeak.Program] = "/bin/go-leak" },
            programs: new Dictionary<string, string>
            {
                [Repository.Built("artifacts/publish/premortem-sidecar", "build")] = "/bin/premortem-sidecar",
                // .NET opens it at run time, for SHA-256 too; it brings libcrypto along.
                ["/usr/lib/x86_64-linux-gnu/libssl.so.3"] = "/lib/x86_64-linux-gnu/libssl.so.3",
            },
            diskMegabytes: 256);

        Assert.True(vm.ExitCode == 0, $"the script ended with {vm.ExitCode}:\n{vm.Console}");
        Assert.Equal("137", vm.Read("leak-exit-code").Trim());
        Assert.Equal("0", vm.Read("sidecar-exit-code").Trim());

        var manifest = Assert.Single(Directory.GetFiles(Path.Combine(vm.Out, "store"), "manifest.json", SearchOption.AllDirectories));
        var record = JsonSerializer.Deserialize(await File.ReadAllTextAsync(manifest), ContractsJson.Default.CaptureRecord)!;
        Assert.Equal(CaptureOutcome.OOMKilled, record.Outcome);
        Assert.Equal("near-limit", record.Trigger.Name);
        Assert.Equal("cgroup v2", record.Memory.Source);
        Assert.Equal(Limit, record.Memory.LimitBytes);
        Assert.InRange(record.Memory.WorkingSetBytes, Limit * 6 / 10, Limit);

        var heap = Assert.Single(record.Artifacts, artifact => artifact.Type == nameof(CaptureType.Heap));
        Assert.True(heap.IsComplete, heap.Error);
        var stored = await File.ReadAllBytesAsync(Path.Combine(Path.GetDirectoryName(manifest)!, heap.Key));
        Assert.Equal(stored.Length, heap.Bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(stored)), heap.Sha256);
    }

    private static long Value(string flatKeyed, string key) => flatKeyed
        .Split('\n')
        .Select(line => line.Split(' '))
        .Where(pair => pair[0] == key)
        .Select(pair => long.Parse(pair[1], CultureInfo.InvariantCulture))
        .Single();
}
