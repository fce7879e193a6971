using System.Globalization;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>In a pod the sidecar is its target's user, and what it holds is not the target's to read.</summary>
public sealed class ClosedToOthersTests
{
    [Fact]
    public async Task Nobody_of_its_user_looks_into_an_injected_sidecar()
    {
        Need.Part(Environment.UserName == "root", "only root can start a sidecar as another user");
        using var folder = new TemporaryFolder();
        Assert.Equal(0, (await ChildProcess.RunAsync("chmod", ["a+rwx", folder.Path])).ExitCode);
        await using var sidecar = SidecarProcess.From(AsNobody(
            SidecarProcess.Program, "run", "--pod", "--settings", folder.File("config"), "--spool", folder.File("spool"), "--token", folder.File("token")));
        await sidecar.WaitForAsync(100);
        await using var other = AsNobody("sleep", "300");

        // It could, of any other process of that user: so it is the sidecar that is closed.
        await Eventually.Holds(() => ReadAsync(other.Id, "environ"), read => read.ExitCode == 0, "a look into a process of one's own");
        foreach (var what in new[] { "environ", "root/etc/hostname", "fd", "mem" })
            Assert.NotEqual(0, (await ReadAsync(sidecar.Id, what)).ExitCode);
        // And it can itself.
        Assert.Equal(0, await sidecar.StopAsync());
    }

    private static ChildProcess AsNobody(params string[] command) => ChildProcess.Start("setpriv", NobodyArguments(command));

    private static IEnumerable<string> NobodyArguments(params string[] command) => ["--reuid", "65534", "--clear-groups", "--inh-caps=-all", .. command];

    private static Task<(int ExitCode, string Output)> ReadAsync(int pid, string what)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{what}");
        return ChildProcess.RunAsync("setpriv", NobodyArguments(what == "fd" ? ["ls", path] : ["head", "-c", "1", path]));
    }
}
