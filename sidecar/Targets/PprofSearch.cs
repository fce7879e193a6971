namespace Premortem.Sidecar.Targets;

/// <summary>How a search for a process's <c>net/http/pprof</c> ended.</summary>
internal abstract record PprofSearch
{
    private PprofSearch()
    {
    }

    /// <param name="Endpoint">The address under which the profiles stand, with a slash at its end: <c>http://127.0.0.1:6060/debug/pprof/</c>.</param>
    /// <param name="Scope">Whether the port is known to be the process's own.</param>
    internal sealed record Found(Uri Endpoint, SocketScope Scope) : PprofSearch;

    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">Each port that was tried and what it answered, for a person.</param>
    internal sealed record NotFound(string Reason, string Detail) : PprofSearch;
}
