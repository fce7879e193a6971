using System.Globalization;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

/// <summary>Who starts a program often gives it its limit a moment later.</summary>
public sealed class MovedProcessTests
{
    [Fact]
    public async Task A_process_that_is_moved_into_a_cgroup_is_measured_against_its_limit()
    {
        using var folder = new TemporaryFolder();
        using var cgroup = MemoryCgroup.Create(200 << 20);
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "16", "-spin=false"]);
        var policy = folder.File("policy.yaml");
        await File.WriteAllTextAsync(
            policy,
            $$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: test}
            spec:
              triggers: [{name: near-limit, memoryUsage: {threshold: 60%} }]
              captures: [{type: Heap}]
              storage:
                directory:
                  path: {{folder.File("store")}}
            """,
            TestContext.Current.CancellationToken);
        var pid = target.Process.Id.ToString(CultureInfo.InvariantCulture);
        await using var sidecar = ChildProcess.Start(
            Repository.Built("artifacts/publish/premortem-sidecar", "build"),
            ["run", "--policy", policy, "--spool", folder.File("spool"), "--pid", pid, "--log-format", "Text"]);
        await sidecar.WaitForLineAsync("limit none");
        await File.WriteAllTextAsync(Path.Combine(cgroup.Path, "cgroup.procs"), pid, TestContext.Current.CancellationToken);
        await sidecar.WaitForLineAsync("limit 200 MiB");
    }
}
