using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

public sealed class GoProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("plain", "1")]
    [InlineData("stripped and static", "0", "-ldflags", "-s -w")]
    [InlineData("position independent", "1", "-buildmode=pie")]
    [InlineData("stripped and position independent", "1", "-buildmode=pie", "-ldflags", "-s -w")]
    public async Task A_program_is_known_however_it_was_linked(string how, string cgo, params string[] flags)
    {
        var program = await BuildAsync(cgo, flags);
        var info = GoBuildInfo.TryRead(program);
        Assert.True(info is not null, how);
        Assert.StartsWith("go1.", info.GoVersion, StringComparison.Ordinal);
        Assert.Equal(new GoBuildInfo(info.GoVersion, "premortem.dev/samples/go-leak", "premortem.dev/samples/go-leak", "(devel)"), info);
    }

    [Theory]
    [InlineData("amd64")]
    [InlineData("386")]
    [InlineData("mips64")]
    public async Task A_program_of_another_machine_is_known_even_without_a_section_table(string machine)
    {
        var program = await BuildAsync("0", ["-ldflags", "-s -w"], machine);
        var known = GoBuildInfo.TryRead(program);
        Assert.Equal("premortem.dev/samples/go-leak", known?.MainModule);
        var elf = await File.ReadAllBytesAsync(program);
        // e_shoff and e_shnum: as packers leave them.
        var is64 = elf[4] == 2;
        elf.AsSpan(is64 ? 40 : 32, is64 ? 8 : 4).Clear();
        elf.AsSpan(is64 ? 60 : 48, 2).Clear();
        await File.WriteAllBytesAsync(program, elf);
        Assert.Equal(known, GoBuildInfo.TryRead(program));
    }

    [Fact]
    public async Task A_running_program_is_known_by_its_process()
    {
        await using var target = await GoLeak.StartAsync();
        Assert.Equal("premortem.dev/samples/go-leak", GoBuildInfo.TryRead($"/proc/{target.Process.Id}/exe")?.MainModule);
    }

    private async Task<string> BuildAsync(string cgo, string[] flags, string machine = "")
    {
        var go = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "go")).FirstOrDefault(File.Exists);
        Need.Part(go is not null, "the Go toolchain is missing: apt-get install golang");
        var program = _folder.File("program");
        var (exit, output) = await ChildProcess.RunAsync(
            "/bin/sh",
            ["-c", "cd \"$0\" && exec \"$@\"", Repository.Path("tests/Targets/go-leak"), go!, "build", .. flags, "-o", program, "."],
            new Dictionary<string, string?> { ["CGO_ENABLED"] = cgo, ["GOARCH"] = machine.Length > 0 ? machine : null, ["GOFLAGS"] = "-buildvcs=false" },
            TimeSpan.FromMinutes(5));
        Assert.True(exit == 0, output);
        return program;
    }
}
