using System.Buffers;
using System.Globalization;
using System.Text;

namespace Premortem.Sidecar.Targets;

/// <summary>What is read of <c>/proc</c>. A process may be gone at any moment: then the answer is null, never an exception.</summary>
internal sealed class ProcFs(string root = "/proc")
{
    private const int MaxFileBytes = 64 * 1024;

    /// <summary>USER_HZ: the kernel scales to it, whatever its own clock, on every architecture that there is a .NET for.</summary>
    private const int TicksPerSecond = 100;

    public string Root { get; } = root;

    /// <summary>Every process of the PID namespace.</summary>
    public IEnumerable<int> Pids()
    {
        foreach (var entry in Directory.EnumerateDirectories(Root))
            if (int.TryParse(Path.GetFileName(entry.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
                yield return pid;
    }

    /// <summary>
    /// The number that the PID namespace gave away last. While it stands still no process was born, and nothing has to be scanned.
    /// </summary>
    public int? LastPid()
    {
        var text = Read($"{Root}/loadavg");
        return text is not null && int.TryParse(text.AsSpan(text.LastIndexOf(' ') + 1).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : null;
    }

    /// <summary>What the machine can still give without swapping; null where it does not say.</summary>
    public long? AvailableBytes() => MemoryInfo("MemAvailable:");

    /// <summary>The machine's memory; null where it does not say.</summary>
    public long? MachineBytes() => MemoryInfo("MemTotal:");

    private long? MemoryInfo(string field)
    {
        foreach (var line in (Read($"{Root}/meminfo") ?? "").AsSpan().EnumerateLines())
            if (line.StartsWith(field, StringComparison.Ordinal))
            {
                var number = line[field.Length..].Trim();
                return number.EndsWith(" kB", StringComparison.Ordinal) && long.TryParse(number[..^3], NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes)
                    ? kilobytes * 1024
                    : null;
            }
        return null;
    }

    public ProcessStat? Stat(int pid)
    {
        const long exiting = 0x4;
        if (Read($"{Root}/{pid}/stat") is not { } text)
            return null;
        // The name stands in parentheses and may hold anything, parentheses too: the last one ends it.
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var close = text.LastIndexOf(')');
        if (open < 0 || close < open)
            return null;
        var fields = text[(close + 1)..].Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        // Field 3 of proc(5) is fields[0]: ppid is 4, utime 14, stime 15, starttime 22, rss 24, exit_code 52.
        return fields.Length < 22
            ? null
            : new ProcessStat(
                text[(open + 1)..close],
                fields[0][0],
                Number(fields, 1),
                Number(fields, 19),
                Number(fields, 21) * Environment.SystemPageSize,
                fields.Length > 49 ? (int)Number(fields, 49) : 0)
            {
                CpuTime = TimeSpan.FromSeconds((double)(Number(fields, 11) + Number(fields, 12)) / TicksPerSecond),
                IsExiting = (Number(fields, 6) & exiting) != 0 || fields[0][0] is 'Z' or 'X',
            };
    }

    /// <summary>How long ago a process was started, by its ticks since the machine was; null: nobody says how long that is.</summary>
    public TimeSpan? AgeOf(long startTicks) =>
        Read($"{Root}/uptime")?.Split(' ') is [var text, ..] && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var uptime)
            ? TimeSpan.FromSeconds(Math.Clamp(uptime - ((double)startTicks / TicksPerSecond), 0, uptime))
            : null;

    /// <summary>The path of the executable as the process sees it; null where it may not be read, or for a kernel thread.</summary>
    public string? Executable(int pid)
    {
        try
        {
            return new FileInfo($"{Root}/{pid}/exe").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>One variable of the environment that the process was started with; null where it has none or it may not be read.</summary>
    public string? EnvironmentVariable(int pid, string name)
    {
        foreach (var entry in (Read($"{Root}/{pid}/environ") ?? "").Split('\0'))
            if (entry.Length > name.Length && entry[name.Length] == '=' && entry.StartsWith(name, StringComparison.Ordinal))
                return entry[(name.Length + 1)..];
        return null;
    }

    /// <summary>The arguments that the process was started with; null where they may not be read.</summary>
    public string[]? Arguments(int pid) => Read($"{Root}/{pid}/cmdline")?.Split('\0', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The number of a process in its own PID namespace; null where the kernel does not say.</summary>
    public int? OwnPid(int pid)
    {
        foreach (var line in Lines(pid, "status") ?? [])
            if (line.StartsWith("NSpid:", StringComparison.Ordinal))
                return int.TryParse(line.AsSpan(line.LastIndexOf('\t') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var own) ? own : null;
        return null;
    }

    /// <summary>The first path in the process's memory map that ends so; null where there is none, or the map may not be read.</summary>
    /// <param name="isReadable">Whether the map could be read.</param>
    public string? MappedFile(int pid, string ending, out bool isReadable)
    {
        // Maps of large programs have tens of thousands of lines, and libraries stand near their end.
        const int mostBytes = 8 << 20;
        isReadable = false;
        var buffer = ArrayPool<byte>.Shared.Rent(MaxFileBytes);
        try
        {
            using var file = File.OpenHandle($"{Root}/{pid}/maps", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var wanted = Encoding.UTF8.GetBytes(ending + "\n");
            int kept = 0, n;
            for (long at = 0; at < mostBytes && (n = RandomAccess.Read(file, buffer.AsSpan(kept), at)) > 0; at += n)
            {
                isReadable = true;
                var text = buffer.AsSpan(0, kept + n);
                if (text.IndexOf(wanted) is >= 0 and var found)
                {
                    var line = text[(text[..found].LastIndexOf((byte)'\n') + 1)..(found + wanted.Length - 1)];
                    return line.IndexOf((byte)'/') is >= 0 and var path ? Encoding.UTF8.GetString(line[path..]) : null;
                }
                // The line that is cut off here goes on in the next piece.
                var rest = text[(text.LastIndexOf((byte)'\n') + 1)..];
                kept = rest.Length < buffer.Length / 2 ? rest.Length : 0;
                rest[..kept].CopyTo(buffer);
            }
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public string[]? Lines(int pid, string file) => Read($"{Root}/{pid}/{file}")?.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Whether the process is gone or on its way: it was killed, and what is left of it waits for CPU time or gives its memory back.</summary>
    public bool IsDying(int pid)
    {
        const ulong sigKill = 1 << 8;
        if (Stat(pid) is not { IsExiting: false })
            return true;
        foreach (var line in Lines(pid, "status") ?? [])
            if ((line.StartsWith("SigPnd:", StringComparison.Ordinal) || line.StartsWith("ShdPnd:", StringComparison.Ordinal))
                && ulong.TryParse(line.AsSpan(7).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var pending) && (pending & sigKill) != 0)
                return true;
        return false;
    }

    /// <summary>The exit status of a process that has ended and that nobody has waited for yet.</summary>
    public ExitStatus? ZombieExit(int pid) => Stat(pid) is { State: 'Z' or 'X' } stat ? ExitStatus.FromWait(stat.ExitStatus) : null;

    private static long Number(string[] fields, int index) =>
        long.TryParse(fields[index], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static string? Read(string path)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(MaxFileBytes);
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            int length = 0, n;
            while (length < MaxFileBytes && (n = RandomAccess.Read(file, buffer.AsSpan(length, MaxFileBytes - length), length)) > 0)
                length += n;
            return Encoding.UTF8.GetString(buffer, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
