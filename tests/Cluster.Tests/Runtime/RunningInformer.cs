using System.Collections.Concurrent;
using k8s;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Runtime;
using Premortem.Testing;

namespace Premortem.Cluster.Tests.Runtime;

/// <summary>An informer at work, and what it told of.</summary>
internal sealed class RunningInformer<T> : IAsyncDisposable
    where T : class, IResource
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public RunningInformer(IKubernetes client, ResourceType type, InformerOptions<T> options)
    {
        Informer = new Informer<T>(
            new ResourceApi<T>(client, type),
            options with { Retry = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1)) },
            TimeProvider.System,
            NullLogger.Instance);
        Informer.OnChange((old, now) => Changes.Enqueue($"{(old, now) switch { (null, _) => '+', (_, null) => '-', _ => '~' }}{(now ?? old)!.Metadata.Name}"));
        _running = Informer.RunAsync(_stop.Token);
    }

    public Informer<T> Informer { get; }

    public ConcurrentQueue<string> Changes { get; } = new();

    public Task<string> ChangesAre(string expected, TimeSpan? within = null) =>
        Eventually.Holds(() => string.Join(' ', Changes), changes => changes == expected, "changes", within);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }
}
