using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Targets;

/// <summary>How a search for a .NET runtime's diagnostics server ended.</summary>
internal abstract record DiagnosticsSearch
{
    private DiagnosticsSearch()
    {
    }

    /// <param name="Endpoint">The way in. Whether anybody answers is another question.</param>
    internal sealed record Found(IDiagnosticsEndpoint Endpoint) : DiagnosticsSearch;

    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">What was looked for and what would help, for a person.</param>
    internal sealed record NotFound(string Reason, string Detail) : DiagnosticsSearch;
}
