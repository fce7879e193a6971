namespace Premortem.Sidecar.Diagnostics;

/// <summary>Events of a runtime, as a nettrace stream that goes on until the session is stopped or the runtime dies.</summary>
internal sealed class EventPipeSession(DiagnosticsClient client, Stream stream, ulong id) : IAsyncDisposable
{
    /// <summary>The nettrace stream. Disposing of it without <see cref="StopAsync"/> ends the session in the runtime, too.</summary>
    public Stream Stream => stream;

    public ulong Id => id;

    /// <summary>Asks the runtime to end the session. What is still in its buffers, and the rundown, follow on <see cref="Stream"/>: read it to its end, beside this call.</summary>
    public Task StopAsync(CancellationToken ct) => client.StopSessionAsync(id, ct);

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
