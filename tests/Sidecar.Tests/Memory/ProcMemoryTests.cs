using Premortem.Sidecar.Memory;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class ProcMemoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Processes_are_added_up_and_what_is_gone_or_a_zombie_is_nothing()
    {
        Statm(1, "1000 100 40 1 0 50 0\n");
        Statm(2, "2000 200 0 1 0 50 0\n");
        Statm(3, "0 0 0 0 0 0 0\n");
        Statm(4, "not a number\n");
        Statm(5, "");
        using var memory = new ProcMemory(_folder.Path, () => [1, 2, 3, 4, 5, 6]);
        Assert.True(memory.TryRead(out var reading));
        Assert.Equal(new MemoryReading(300L * Environment.SystemPageSize, 0, 40L * Environment.SystemPageSize, null, null), reading);
    }

    [Fact]
    public void When_all_are_gone_there_is_nothing_to_read()
    {
        Statm(3, "0 0 0 0 0 0 0\n");
        using var memory = new ProcMemory(_folder.Path, () => [3, 7]);
        Assert.False(memory.TryRead(out _));
        Assert.Equal("proc", memory.Name);
    }

    private void Statm(int pid, string content)
    {
        Directory.CreateDirectory(_folder.File($"{pid}"));
        File.WriteAllText(_folder.File($"{pid}/statm"), content);
    }
}
