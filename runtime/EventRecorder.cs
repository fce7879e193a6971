using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// Events on objects, as <c>kubectl describe</c> shows them. Never waits and never fails its caller: what cannot be written is dropped and
/// counted. The same event again raises its count.
/// </summary>
public sealed class EventRecorder(IKubernetes client, string component, TimeProvider time, ILogger log)
{
    /// <param name="reason">One word from the table of reasons.</param>
    public void Record(ObjectReference about, EventKind kind, string reason, string message) => throw new NotImplementedException($"{client} {component} {time} {log}");

    /// <summary>Writes what is recorded, until it is cancelled; then what is left, for a moment.</summary>
    public Task RunAsync(CancellationToken ct) => throw new NotImplementedException();
}

public enum EventKind
{
    Normal,
    Warning,
}

/// <summary>What an event is about.</summary>
public sealed record ObjectReference(string ApiVersion, string Kind, string? Namespace, string Name, string? Uid);
