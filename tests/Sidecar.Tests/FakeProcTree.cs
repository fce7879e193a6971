using System.Globalization;
using Premortem.Testing;

namespace Premortem.Sidecar.Tests;

/// <summary>A folder that looks like <c>/proc</c> with many processes, this one among them, and cgroups beside it.</summary>
internal sealed class FakeProcTree : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    internal FakeProcTree() => Directory.CreateDirectory(Root);

    internal string Root => _folder.File("proc");

    internal string Path(string name) => _folder.File(name);

    public void Dispose() => _folder.Dispose();

    internal FakeProcTree File(string path, string content)
    {
        var full = _folder.File(path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(full)!);
        System.IO.File.WriteAllText(full, content);
        return this;
    }

    /// <param name="cgroup">The content of <c>/proc/PID/cgroup</c>.</param>
    internal FakeProcTree Process(int pid, string name, string cgroup, char state = 'S', int parent = 1, string? container = null, string? executable = "/app", string mountinfo = "")
    {
        var rest = string.Join(' ', Enumerable.Range(5, 48).Select(field => field switch { 22 => pid * 100, 24 => 50, _ => 0 }));
        File($"proc/{pid}/stat", string.Create(CultureInfo.InvariantCulture, $"{pid} ({name}) {state} {parent} {rest}\n"));
        File($"proc/{pid}/cgroup", cgroup + "\n");
        File($"proc/{pid}/mountinfo", mountinfo);
        File($"proc/{pid}/environ", container is null ? "HOME=/\0" : $"HOME=/\0PREMORTEM_CONTAINER={container}\0");
        if (executable is not null && !System.IO.Path.Exists(_folder.File($"proc/{pid}/exe")))
            System.IO.File.CreateSymbolicLink(_folder.File($"proc/{pid}/exe"), executable);
        return this;
    }

    internal FakeProcTree Gone(int pid)
    {
        Directory.Delete(_folder.File($"proc/{pid}"), recursive: true);
        return this;
    }
}
