using System.Globalization;
using System.Text.Json;

namespace Premortem.Sidecar.Targets;

/// <summary>How a .NET garbage collector is set up, by the rules that it follows itself.</summary>
/// <param name="IsServer">Null: not known.</param>
/// <param name="IsConcurrent">Null: not known.</param>
/// <param name="HeapLimitBytes">What its heap may never exceed; null: nothing.</param>
/// <param name="HeapLimitSource">Where that is from.</param>
internal sealed record GcSettings(bool? IsServer, bool? IsConcurrent, long? HeapLimitBytes, string? HeapLimitSource)
{
    /// <summary>In a container with a limit, the heap gets three quarters of it, and at least this.</summary>
    private const long LeastDefault = 20L << 20;
    private const int DefaultPercent = 75;
    private const int MaxConfigurationBytes = 256 * 1024;

    /// <summary><c>Workstation</c> or <c>Server</c>, with <c>, concurrent</c> where it is; null: not known.</summary>
    public string? Mode => IsServer is { } server ? ModeOf(server, IsConcurrent == true) : null;

    public static string ModeOf(bool isServer, bool isConcurrent) => (isServer ? "Server" : "Workstation") + (isConcurrent ? ", concurrent" : "");

    /// <param name="environment">A variable of the process's environment; null: not set.</param>
    /// <param name="configuration">The content of its <c>runtimeconfig.json</c>; null: there is none, or it may not be read.</param>
    /// <param name="containerLimitBytes">The container's limit; null: none.</param>
    /// <param name="machineBytes">The machine's memory; null: not known.</param>
    public static GcSettings Of(Func<string, string?> environment, ReadOnlyMemory<byte>? configuration, long? containerLimitBytes, long? machineBytes)
    {
        var properties = Properties(configuration);
        var physical = Size("GCTotalPhysicalMemory") is { Bytes: > 0 and var told } ? told : containerLimitBytes is { } limited && limited < (machineBytes ?? long.MaxValue) ? limited : machineBytes;
        var (limit, source) = HeapLimit();
        return new GcSettings(Flag("gcServer", "System.GC.Server") ?? false, Flag("gcConcurrent", "System.GC.Concurrent") ?? true, limit, source);

        (long?, string?) HeapLimit()
        {
            // Limits for each heap count only together, and then alone.
            if (Size("GCHeapHardLimitSOH", "System.GC.HeapHardLimitSOH") is { } small && Size("GCHeapHardLimitLOH", "System.GC.HeapHardLimitLOH") is { } large)
                return (small.Bytes + large.Bytes + (Size("GCHeapHardLimitPOH", "System.GC.HeapHardLimitPOH")?.Bytes ?? 0), "GCHeapHardLimitSOH, LOH and POH");
            if (Size("GCHeapHardLimit", "System.GC.HeapHardLimit") is { } fixedLimit)
                return (fixedLimit.Bytes, fixedLimit.Source);
            if (physical is not { } memory)
                return (null, null);
            if (Size("GCHeapHardLimitSOHPercent", "System.GC.HeapHardLimitSOHPercent") is { Bytes: < 100 } smallShare)
            {
                var shares = smallShare.Bytes
                    + (Size("GCHeapHardLimitLOHPercent", "System.GC.HeapHardLimitLOHPercent")?.Bytes ?? 0)
                    + (Size("GCHeapHardLimitPOHPercent", "System.GC.HeapHardLimitPOHPercent")?.Bytes ?? 0);
                if (shares < 100)
                    return (Share(memory, shares), "GCHeapHardLimitSOHPercent, LOHPercent and POHPercent");
            }
            if (Size("GCHeapHardLimitPercent", "System.GC.HeapHardLimitPercent") is { Bytes: < 100 } percent)
                return (Share(memory, percent.Bytes), percent.Source);
            // On a whole machine there is none, and a limit above the machine's memory limits nothing.
            return physical == machineBytes
                ? (null, null)
                : (Math.Max(LeastDefault, Share(memory, DefaultPercent)), $"{DefaultPercent} % of the container's limit (default)");
        }

        // Variables are hexadecimal, with 0x or without; properties are numbers, or text as variables are.
        (long Bytes, string Source)? Size(string variable, string? property = null)
        {
            foreach (var prefix in (string[])["DOTNET_", "COMPlus_"])
                if (environment(prefix + variable) is { } text && Hexadecimal(text) is > 0 and var bytes)
                    return (bytes, $"{prefix}{variable}={text}");
            return property is not null && properties.TryGetValue(property, out var value) && value is > 0 and var set ? (set, $"{property} of runtimeconfig.json") : null;
        }

        bool? Flag(string variable, string property)
        {
            foreach (var prefix in (string[])["DOTNET_", "COMPlus_"])
                if (environment(prefix + variable) is { } text && Hexadecimal(text) is { } number)
                    return number != 0;
            return properties.TryGetValue(property, out var value) ? value != 0 : null;
        }
    }

    /// <summary>Reads them of a process: its environment, and the <c>runtimeconfig.json</c> beside its program.</summary>
    public static GcSettings Of(ProcFs proc, int pid, long? containerLimitBytes) => Of(
        name => proc.EnvironmentVariable(pid, name),
        Configuration(proc, pid),
        containerLimitBytes,
        proc.MachineBytes());

    private static long Share(long bytes, long percent) => (long)(bytes * (percent / 100.0));

    private static long? Hexadecimal(string text)
    {
        var digits = text.Trim();
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            digits = digits[2..];
        return long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number) && number >= 0 ? number : null;
    }

    private static Dictionary<string, long> Properties(ReadOnlyMemory<byte>? configuration)
    {
        var properties = new Dictionary<string, long>();
        if (configuration is not { } json)
            return properties;
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("runtimeOptions", out var options) || options.ValueKind != JsonValueKind.Object
                || !options.TryGetProperty("configProperties", out var all) || all.ValueKind != JsonValueKind.Object)
                return properties;
            foreach (var property in all.EnumerateObject())
                if (property.Name.StartsWith("System.GC.", StringComparison.Ordinal) && Value(property.Value) is { } value)
                    properties[property.Name] = value;
        }
        catch (JsonException)
        {
            // The runtime would not have started with it, or it is none of the runtime's.
        }
        return properties;

        static long? Value(JsonElement element) => element.ValueKind switch
        {
            JsonValueKind.True => 1,
            JsonValueKind.False => 0,
            JsonValueKind.Number => element.TryGetInt64(out var number) ? number : null,
            JsonValueKind.String when element.GetString() is "true" or "True" => 1,
            JsonValueKind.String when element.GetString() is "false" or "False" => 0,
            JsonValueKind.String when element.GetString() is { } text && text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) => Hexadecimal(text),
            JsonValueKind.String => long.TryParse(element.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null,
            _ => null,
        };
    }

    /// <summary>The <c>runtimeconfig.json</c> stands beside the entry assembly: the first argument that is one, or the program itself.</summary>
    private static ReadOnlyMemory<byte>? Configuration(ProcFs proc, int pid)
    {
        var program = proc.Executable(pid);
        var assembly = proc.Arguments(pid)?.Skip(1).FirstOrDefault(argument => argument.EndsWith(".dll", StringComparison.OrdinalIgnoreCase));
        var path = assembly is not null && program is not null && Path.GetFileName(program) == "dotnet" ? assembly[..^4] : program;
        if (path is null)
            return null;
        var at = path.StartsWith('/') ? $"{proc.Root}/{pid}/root{path}" : $"{proc.Root}/{pid}/cwd/{path}";
        try
        {
            using var file = File.OpenHandle(at + ".runtimeconfig.json", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (RandomAccess.GetLength(file) is var length && length is <= 0 or > MaxConfigurationBytes)
                return null;
            var bytes = new byte[length];
            return bytes.AsMemory(0, RandomAccess.Read(file, bytes, 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
