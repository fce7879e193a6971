using System.Globalization;
using Premortem.Contracts;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Targets;

/// <summary>What <c>/proc</c> shows of a .NET runtime in a process, before the runtime itself is asked.</summary>
internal sealed class DotNetProcess
{
    internal const string Library = "/libcoreclr.so";

    /// <summary>Any of them, set to zero, keeps the runtime from listening.</summary>
    private static readonly string[] Switches = ["DOTNET_EnableDiagnostics", "DOTNET_EnableDiagnostics_IPC", "COMPlus_EnableDiagnostics", "COMPlus_EnableDiagnostics_IPC"];

    private readonly ProcFs _proc;
    private readonly int _pid;
    private readonly bool _canReadMaps;

    private DotNetProcess(ProcFs proc, int pid, int ownPid, string? library, string? socket, bool isDialling, bool canReadMaps) =>
        (_proc, _pid, OwnPid, RuntimeLibrary, Socket, IsDialling, _canReadMaps) = (proc, pid, ownPid, library, socket, isDialling, canReadMaps);

    /// <summary>The process, as its own PID namespace numbers it.</summary>
    public int OwnPid { get; }

    /// <summary>Where the process has its <c>libcoreclr.so</c>; null: in the program itself, as single files have, or not to be seen.</summary>
    public string? RuntimeLibrary { get; }

    /// <summary>Its default socket, as a path from here; null: none was found.</summary>
    public string? Socket { get; }

    /// <summary>Whether it waits at the diagnostic port.</summary>
    public bool IsDialling { get; }

    /// <summary>The version of a shared runtime, which is the name of its folder: <c>10.0.1</c>.</summary>
    public string? Version => RuntimeLibrary?.Split('/') is [.., var folder, _] && folder.Length > 0 && char.IsAsciiDigit(folder[0]) && folder.Contains('.', StringComparison.Ordinal) ? folder : null;

    /// <summary>Null where nothing says that the process is a .NET program.</summary>
    public static DotNetProcess? TryFind(ProcFs proc, int pid, DiagnosticPortListener? port)
    {
        if (proc.Stat(pid) is not { } stat)
            return null;
        var ownPid = proc.OwnPid(pid) ?? pid;
        var library = proc.MappedFile(pid, Library, out var canReadMaps);
        var isDialling = port is not null && port.Knows(pid, ownPid);
        var socket = FindSocket(proc, pid, ownPid, stat.StartTicks);
        return library is null && socket is null && !isDialling ? null : new DotNetProcess(proc, pid, ownPid, library, socket, isDialling, canReadMaps);
    }

    /// <summary>The way to its diagnostics server; the port that it dials first.</summary>
    public DiagnosticsSearch FindEndpoint(DiagnosticPortListener? port)
    {
        if (port is not null && IsDialling)
            return new DiagnosticsSearch.Found(new ReversedEndpoint(port, _pid, OwnPid));
        if (Socket is not null)
            return new DiagnosticsSearch.Found(new SocketEndpoint(Socket, _pid));
        if (Switches.FirstOrDefault(name => _proc.EnvironmentVariable(_pid, name)?.Trim() is "0" or "00" or "0x0") is { } off)
            return new DiagnosticsSearch.NotFound(Reasons.DiagnosticsDisabled, $"its diagnostics are switched off by {off}=0");
        return CanEnterRoot
            ? new DiagnosticsSearch.NotFound(Reasons.EndpointNotFound, $"the runtime has no socket dotnet-diagnostic-{OwnPid}-…-socket in {TemporaryFolder(_proc, _pid)}: its diagnostics may be switched off by its runtimeconfig.json, or it may not write there")
            : new DiagnosticsSearch.NotFound(Reasons.AccessDenied, "the runtime's temporary folder may not be entered: run the sidecar as the target's user, or give the target a diagnostic port");
    }

    /// <summary>Why a process of which nothing can be seen may be a .NET program all the same; null: enough can be seen to say that it is none.</summary>
    public static string? WhyHidden(ProcFs proc, int pid)
    {
        proc.MappedFile(pid, Library, out var canReadMaps);
        return canReadMaps ? null : "its memory map cannot be read: run the sidecar as the target's user";
    }

    private bool CanEnterRoot => _canReadMaps && Directory.Exists($"{_proc.Root}/{_pid}/root/");

    /// <summary>
    /// The runtime names its socket after its process and the time of its start, so that a path can be told from those. Anything else
    /// in the folder is of another runtime, perhaps a dead one.
    /// </summary>
    private static string? FindSocket(ProcFs proc, int pid, int ownPid, long startTicks)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"dotnet-diagnostic-{ownPid}-{startTicks}-socket");
        var temporary = TemporaryFolder(proc, pid);
        var inRoot = $"{proc.Root}/{pid}/root{(temporary.StartsWith('/') ? "" : "/")}{temporary.TrimEnd('/')}/{name}";
        if (File.Exists(inRoot))
            return inRoot;
        // Where the process's root may not be entered, its /tmp may still be the one that is seen here.
        return temporary is "/tmp" or "/tmp/" && File.Exists($"/tmp/{name}") ? $"/tmp/{name}" : null;
    }

    private static string TemporaryFolder(ProcFs proc, int pid) =>
        proc.EnvironmentVariable(pid, "TMPDIR") is { Length: > 0 } folder ? folder : "/tmp";
}
