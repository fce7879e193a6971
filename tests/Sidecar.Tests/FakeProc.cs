using Premortem.Testing;

namespace Premortem.Sidecar.Tests;

/// <summary>A folder that looks like <c>/proc</c> with one process.</summary>
internal sealed class FakeProc : IDisposable
{
    internal const int Pid = 42;

    private readonly TemporaryFolder _folder = new();

    internal FakeProc() => Directory.CreateDirectory(Process);

    internal string Root => _folder.Path;

    private string Process => _folder.File("42");

    public void Dispose() => _folder.Dispose();

    internal FakeProc With(string name, string content)
    {
        var path = Path.Combine(Process, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return this;
    }

    internal FakeProc WithLink(string name, string target)
    {
        var path = Path.Combine(Process, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.CreateSymbolicLink(path, target);
        return this;
    }

    internal FakeProc WithRoot(string name, string content)
    {
        File.WriteAllText(_folder.File(name), content);
        return this;
    }

    internal FakeProc WithSelfLink(string name, string target)
    {
        var path = Path.Combine(_folder.File("self"), name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.CreateSymbolicLink(path, target);
        return this;
    }
}
