using System.Buffers;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// A session beside a heap snapshot's that gets the names of its types and nothing else. The runtime gathers the names and tells most of
/// them at the end of the walk, when the objects have filled the snapshot's own buffers: there they would be dropped.
/// </summary>
internal sealed class TypeNameSession : IAsyncDisposable
{
    private const uint BufferMegabytes = 4;
    private const uint Informational = 4;
    private const int ReadBytes = 16 * 1024;

    // What is in the buffers at the end, and it says each name once.
    private const long MostBytes = 2L * BufferMegabytes << 20;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(3);

    private readonly EventPipeSession _session;
    private readonly NettraceEventConsumer _consumer;
    private readonly TimeProvider _time;

    private TypeNameSession(EventPipeSession session, NettraceEventConsumer consumer, TimeProvider time)
    {
        _session = session;
        _consumer = consumer;
        _time = time;
    }

    public ValueTask DisposeAsync() => _session.DisposeAsync();

    /// <param name="consumer">Takes the names when the session ends.</param>
    /// <returns>Null: the runtime gives none, and the snapshot has to do without.</returns>
    internal static async Task<TypeNameSession?> StartAsync(DiagnosticsClient client, NettraceEventConsumer consumer, TimeProvider time, CancellationToken ct)
    {
        try
        {
            var session = await client.StartSessionAsync(
                [new(EventPipeProvider.Runtime, HeapSnapshotTable.TypeKeyword, Informational)], BufferMegabytes, rundownKeywords: 0, withStacks: false, ct);
            return new TypeNameSession(session, consumer, time);
        }
        catch (DiagnosticsException)
        {
            return null;
        }
    }

    /// <summary>Ends it, and has what came looked at. What fails here costs names, and no objects.</summary>
    internal async Task EndAsync(CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(Within, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        var stopping = StopAsync(either.Token);
        try
        {
            var reader = new NettraceReader(_consumer);
            int read;
            while (reader.Received < MostBytes && (read = await _session.Stream.ReadAsync(buffer, either.Token)) > 0)
                reader.Feed(buffer.AsSpan(0, read));
        }
        catch (Exception e) when (e is ProfileFormatException or IOException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
        }
        finally
        {
            await stopping;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task StopAsync(CancellationToken ct)
    {
        try
        {
            await _session.StopAsync(ct);
        }
        catch (Exception e) when (e is DiagnosticsException or OperationCanceledException)
        {
        }
    }
}
