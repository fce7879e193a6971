namespace Premortem.Sidecar.Diagnostics;

/// <summary>What a runtime says of itself.</summary>
/// <param name="Pid">Its process, as its own PID namespace numbers it.</param>
/// <param name="Cookie">Unique to this life of the runtime.</param>
/// <param name="CommandLine">The command line. It may hold secrets: it is stored nowhere.</param>
/// <param name="Assembly">The managed entry point's assembly; null: the runtime is too old to say.</param>
/// <param name="Version">The runtime's version: <c>10.0.1</c>; null: the runtime is too old to say.</param>
internal sealed record RuntimeProcessInfo(ulong Pid, Guid Cookie, string CommandLine, string? Assembly, string? Version);
