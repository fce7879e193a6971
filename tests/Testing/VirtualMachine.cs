using System.Globalization;

namespace Premortem.Testing;

/// <summary>A script's run on a real kernel with cgroup v2, under emulation: <c>tests/vm/vm</c>. Takes some 5 s more than the script.</summary>
public sealed class VirtualMachine : IDisposable
{
    private readonly TemporaryFolder _folder;

    private VirtualMachine(int exitCode, string console, TemporaryFolder folder)
    {
        ExitCode = exitCode;
        Console = console;
        _folder = folder;
    }

    /// <summary>The script's exit code; 124 where it took too long, 125 where the bed itself failed.</summary>
    public int ExitCode { get; }

    /// <summary>What the kernel and the script printed.</summary>
    public string Console { get; }

    /// <summary>Where the guest's <c>/out</c> was brought to; gone with this object.</summary>
    public string Out => _folder.Path;

    /// <summary>Boots, runs <paramref name="script"/> as root and powers off.</summary>
    /// <param name="script">The path of a script for busybox sh; what it finds is in <c>vm --help</c>.</param>
    /// <param name="files">Files and folders for the guest: where they are here, where they shall be there.</param>
    /// <param name="programs">Dynamically linked programs and libraries, which take what they are linked against with them.</param>
    /// <param name="diskMegabytes">The size of an empty disk at <c>/disk</c>; 0: none, and then no page cache either.</param>
    public static async Task<VirtualMachine> RunAsync(
        string script,
        IReadOnlyDictionary<string, string>? files = null,
        IReadOnlyDictionary<string, string>? programs = null,
        int memoryMegabytes = 768,
        int diskMegabytes = 0,
        TimeSpan? timeout = null)
    {
        var vm = Repository.Path("tests/vm/vm");
        var (missing, what) = await ChildProcess.RunAsync(vm, ["check"]);
        Need.Part(missing == 0, $"{what}: run 'make test-assets'");

        var within = timeout ?? TimeSpan.FromSeconds(120);
        var folder = new TemporaryFolder();
        try
        {
            var (exitCode, console) = await ChildProcess.RunAsync(
                vm,
                [
                    "run", "--init", script, "--out", folder.Path,
                    "--memory", memoryMegabytes.ToString(CultureInfo.InvariantCulture),
                    "--timeout", within.TotalSeconds.ToString("0", CultureInfo.InvariantCulture),
                    .. diskMegabytes > 0 ? new[] { "--disk", diskMegabytes.ToString(CultureInfo.InvariantCulture) } : [],
                    .. (files ?? new Dictionary<string, string>()).SelectMany(file => new[] { "--file", $"{file.Key}:{file.Value}" }),
                    .. (programs ?? new Dictionary<string, string>()).SelectMany(program => new[] { "--lib", $"{program.Key}:{program.Value}" }),
                ],
                timeout: within + TimeSpan.FromSeconds(30));
            return new VirtualMachine(exitCode, console, folder);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>A file that the guest left below <c>/out</c>.</summary>
    public string Read(string relativePath) => File.ReadAllText(Path.Combine(Out, relativePath));

    public void Dispose() => _folder.Dispose();
}
