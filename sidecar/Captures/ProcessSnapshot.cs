using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Premortem.Contracts;
using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// What <c>/proc</c> tells of a process, as <c>process.json</c>: memory, limits, cgroups, command line and environment with secrets
/// masked. What may not be read is named under <c>denied</c>. The schema is described in docs/reference/process.md.
/// </summary>
internal sealed class ProcessSnapshot(TimeProvider time, string procRoot = "/proc")
{
    internal const string SchemaVersion = "premortem.dev/process/v1";

    // A kernel that is busy reclaiming may hold a reader of /proc for as long as it likes.
    internal static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const int MaxFileBytes = 64 * 1024;
    private const int MaxCommandLineBytes = 32 * 1024;
    private const int MaxDescriptors = 65536;
    // The kernel tells times in hundredths of a second, whatever its own clock.
    private const int MillisecondsPerTick = 10;

    /// <exception cref="Exception">What <paramref name="destination"/> throws comes as it is.</exception>
    internal async Task<CaptureResult> CaptureAsync(int pid, Stream destination, CancellationToken ct)
    {
        ArrayBufferWriter<byte>? json;
        try
        {
            json = await Task.Run(() => Collect(pid), ct).WaitAsync(Timeout, time, ct);
        }
        catch (TimeoutException)
        {
            return new CaptureResult.Failed(Reasons.TimedOut, $"/proc did not answer within {Durations.Format(Timeout)}");
        }
        if (json is null)
            return new CaptureResult.Failed(Reasons.TargetExited, "the process is gone");
        await destination.WriteAsync(json.WrittenMemory, ct);
        return new CaptureResult.Captured(json.WrittenCount);
    }

    /// <returns>Null where the process is gone.</returns>
    internal ArrayBufferWriter<byte>? Collect(int pid)
    {
        var process = Path.Combine(procRoot, pid.ToString(CultureInfo.InvariantCulture));
        var denied = new List<string>();
        if (Read(process, "status", MaxFileBytes, denied) is not { Length: > 0 } status)
            return null;
        var output = new ArrayBufferWriter<byte>(16 * 1024);
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("schema", SchemaVersion);
            json.WriteNumber("pid", pid);
            json.WriteString("takenAt", time.GetUtcNow());
            if (StartedAt(process, denied) is { } startedAt)
                json.WriteString("startedAt", startedAt);
            WriteLink(json, process, "executable", "exe", denied);
            WriteLink(json, process, "workingDirectory", "cwd", denied);
            WriteCommandLine(json, process, denied);
            WriteEnvironment(json, process, denied);
            json.WriteStartObject("status");
            WriteFields(json, status);
            json.WriteEndObject();
            WriteRollup(json, process, denied);
            WriteLimits(json, process, denied);
            WriteNumber(json, process, "oomScore", "oom_score", denied);
            WriteNumber(json, process, "oomScoreAdj", "oom_score_adj", denied);
            WriteLines(json, process, "cgroups", "cgroup", denied);
            WriteDescriptors(json, process, denied);
            json.WriteStartArray("denied");
            foreach (var name in denied)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return output;
    }

    /// <returns>Null where it is not there, or may not be read.</returns>
    private static string? Read(string process, string name, int most, List<string> denied)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            using var file = File.OpenHandle(Path.Combine(process, name));
            var length = 0;
            int read;
            while (length < most && (read = RandomAccess.Read(file, buffer.AsSpan(length, most - length), length)) > 0)
                length += read;
            return Encoding.UTF8.GetString(buffer, 0, length);
        }
        catch (UnauthorizedAccessException)
        {
            denied.Add(name);
            return null;
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (IOException)
        {
            // Some files can be opened by anybody and read by few: EPERM, ESRCH.
            denied.Add(name);
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>Lines of <c>Name: 12 kB</c>: sizes as bytes, numbers as numbers, the rest as it is.</summary>
    private static void WriteFields(Utf8JsonWriter json, string text)
    {
        var written = new HashSet<string>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var colon = line.IndexOf(':');
            if (colon <= 0)
                continue;
            var name = CamelCase(line[..colon]);
            var value = line[(colon + 1)..].Trim();
            var isSize = value.EndsWith(" kB", StringComparison.Ordinal);
            var isNumber = long.TryParse(isSize ? value[..^3] : value, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
            if (isSize && isNumber)
                (name, number) = (name + "Bytes", number * 1024);
            if (!written.Add(name))
                continue;
            if (isNumber)
                json.WriteNumber(name, number);
            else
                json.WriteString(name, value);
        }
    }

    /// <summary><c>VmRSS</c> as <c>vmRSS</c>, <c>voluntary_ctxt_switches</c> as <c>voluntaryCtxtSwitches</c>.</summary>
    private static string CamelCase(ReadOnlySpan<char> name)
    {
        var result = new StringBuilder(name.Length);
        var isUpper = false;
        foreach (var c in name)
        {
            if (c is '_' or ' ' or '(' or ')')
            {
                isUpper = result.Length > 0;
                continue;
            }
            result.Append(result.Length == 0 ? char.ToLowerInvariant(c) : isUpper ? char.ToUpperInvariant(c) : c);
            isUpper = false;
        }
        return result.ToString();
    }

    private static void WriteRollup(Utf8JsonWriter json, string process, List<string> denied)
    {
        if (Read(process, "smaps_rollup", MaxFileBytes, denied) is not { } text)
            return;
        json.WriteStartObject("smapsRollup");
        // The first line is the range of addresses.
        WriteFields(json, text[(text.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        json.WriteEndObject();
    }

    /// <summary>The table's columns are as wide as the kernel's format has them: 26, 21, 21.</summary>
    private static void WriteLimits(Utf8JsonWriter json, string process, List<string> denied)
    {
        if (Read(process, "limits", MaxFileBytes, denied) is not { } text)
            return;
        json.WriteStartObject("limits");
        var written = new HashSet<string>();
        foreach (var line in text.Split('\n').Skip(1))
        {
            if (line.Length < 47)
                continue;
            var name = CamelCase(line.AsSpan(0, 26).Trim());
            if (name.Length == 0 || !written.Add(name))
                continue;
            json.WriteStartObject(name);
            json.WriteString("soft", line.AsSpan(26, 20).Trim());
            json.WriteString("hard", line.AsSpan(47, Math.Min(20, line.Length - 47)).Trim());
            if (line.Length > 68 && line.AsSpan(68).Trim() is { Length: > 0 } unit)
                json.WriteString("unit", unit);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string process, string property, string name, List<string> denied)
    {
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowTrailingWhite;
        if (long.TryParse(Read(process, name, 64, denied), style, CultureInfo.InvariantCulture, out var number))
            json.WriteNumber(property, number);
    }

    private static void WriteLines(Utf8JsonWriter json, string process, string property, string name, List<string> denied)
    {
        if (Read(process, name, MaxFileBytes, denied) is not { } text)
            return;
        json.WriteStartArray(property);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            json.WriteStringValue(line);
        json.WriteEndArray();
    }

    private static void WriteLink(Utf8JsonWriter json, string process, string property, string name, List<string> denied)
    {
        try
        {
            if (ProcLink.Read(Path.Combine(process, name)) is { } target)
                json.WriteString(property, target);
        }
        catch (UnauthorizedAccessException)
        {
            denied.Add(name);
        }
    }

    private static void WriteCommandLine(Utf8JsonWriter json, string process, List<string> denied)
    {
        if (Strings(process, "cmdline", MaxCommandLineBytes, denied, out var isCut) is not { } arguments)
            return;
        json.WriteStartArray("commandLine");
        foreach (var argument in SecretMask.Arguments(arguments))
            json.WriteStringValue(argument);
        json.WriteEndArray();
        if (isCut)
            json.WriteBoolean("commandLineIsCut", true);
    }

    private static void WriteEnvironment(Utf8JsonWriter json, string process, List<string> denied)
    {
        if (Strings(process, "environ", MaxFileBytes, denied, out var isCut) is not { } variables)
            return;
        json.WriteStartObject("environment");
        // Of two of the same name, the C library takes the first.
        var written = new HashSet<string>();
        foreach (var variable in variables)
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            // A program that writes over its own environment may leave anything there.
            if (equals <= 0)
                continue;
            var name = SecretMask.Value(variable[..equals]);
            if (written.Add(name))
                json.WriteString(name, SecretMask.Variable(variable[..equals], variable[(equals + 1)..]));
        }
        json.WriteEndObject();
        if (isCut)
            json.WriteBoolean("environmentIsCut", true);
    }

    /// <summary>Strings that end with a zero. One that is cut is left out: half a URL may hide that it holds a password.</summary>
    private static List<string>? Strings(string process, string name, int most, List<string> denied, out bool isCut)
    {
        isCut = false;
        if (Read(process, name, most, denied) is not { } text)
            return null;
        // In bytes, the text may have been cut a little after what is seen here as its end.
        isCut = text.Length > 0 && text[^1] != '\0' && Encoding.UTF8.GetByteCount(text) >= most;
        var strings = text.Split('\0').ToList();
        if (strings[^1].Length == 0 || isCut)
            strings.RemoveAt(strings.Count - 1);
        return strings;
    }

    private static void WriteDescriptors(Utf8JsonWriter json, string process, List<string> denied)
    {
        var kinds = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var total = 0;
        try
        {
            foreach (var descriptor in Directory.EnumerateFileSystemEntries(Path.Combine(process, "fd")).Take(MaxDescriptors))
            {
                total++;
                var kind = Kind(ProcLink.Read(descriptor) ?? "");
                kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
            }
        }
        catch (UnauthorizedAccessException)
        {
            denied.Add("fd");
            return;
        }
        catch (IOException)
        {
            // The process has gone in the meantime.
        }
        json.WriteStartObject("fileDescriptors");
        json.WriteNumber("total", total);
        foreach (var (kind, count) in kinds)
            json.WriteNumber(kind, count);
        json.WriteEndObject();
    }

    private static string Kind(string target) =>
        target.StartsWith("socket:", StringComparison.Ordinal) ? "socket"
        : target.StartsWith("pipe:", StringComparison.Ordinal) ? "pipe"
        : target.StartsWith("anon_inode:", StringComparison.Ordinal) ? "anonymous"
        : target.StartsWith("/dev/", StringComparison.Ordinal) ? "device"
        : target.StartsWith('/') ? "file"
        : "other";

    /// <summary>Field 22 of <c>stat</c>, in ticks since boot; the name before it, in brackets, may hold anything.</summary>
    private DateTimeOffset? StartedAt(string process, List<string> denied)
    {
        if (Read(process, "stat", 4096, denied) is not { } stat || Read(procRoot, "stat", MaxFileBytes * 16, denied) is not { } system)
            return null;
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var boot = system.Split('\n').FirstOrDefault(line => line.StartsWith("btime ", StringComparison.Ordinal));
        return fields.Length > 19
            && long.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            && boot is not null
            && long.TryParse(boot.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? DateTimeOffset.FromUnixTimeSeconds(seconds).AddMilliseconds(ticks * MillisecondsPerTick)
            : null;
    }
}
