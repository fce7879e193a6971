using Premortem.Operator.Injection;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Hosting;

/// <summary>The labels of a namespace: from the local copy, and where it is too young to be there, from the server.</summary>
internal sealed class NamespaceLabels(Informer<Namespace> namespaces, ResourceApi<Namespace> api, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);
    private static readonly Dictionary<string, string> s_none = [];

    public NamespaceView? Known(string name) => namespaces.Get(new ResourceKey(null, name)) is { } found ? View(found) : null;

    public async ValueTask<NamespaceView?> FindAsync(string name, CancellationToken ct)
    {
        if (Known(name) is { } known)
            return known;
        using var deadline = new CancellationTokenSource(s_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            return await api.GetAsync(new ResourceKey(null, name), either.Token) is { } found ? View(found) : null;
        }
        catch (Exception e) when (e is ApiException or OperationCanceledException)
        {
            Log.NotYet(log, $"Reading namespace {name}", e.Message);
            return null;
        }
    }

    private static NamespaceView View(Namespace found) => new(found.Metadata.Name, found.Metadata.Labels ?? s_none);
}
