using Premortem.Contracts;
using Premortem.Operator.Hosting;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>
/// The leader's work on policies: whatever happens to pods, policies and namespaces is handed to the two controllers as the keys that it may concern.
/// Before <see cref="RunAsync"/> nothing is kept: who does not lead has nothing to catch up with.
/// </summary>
internal sealed class PolicyWork
{
    /// <summary>A hundred policies that are applied at once are one look at their pods.</summary>
    private static readonly TimeSpan s_together = TimeSpan.FromMilliseconds(100);

    private readonly Caches _caches;
    private readonly PolicyStatuses _statuses;
    private readonly Func<InjectorOptions> _injector;
    private readonly Controller<string> _namespaces;
    private readonly Controller<PolicyKey> _policies;
    private readonly Controller<ResourceKey> _settings;
    private volatile bool _isLeading;

    public PolicyWork(
        Caches caches,
        OperatorOptions options,
        Func<InjectorOptions> injector,
        Func<Pod, IReadOnlyList<RequestedCapture>> requestsFor,
        Func<PolicyView, CaptureFigures> capturesOf,
        OperatorMetrics metrics,
        ILoggerFactory loggers,
        TimeProvider time)
    {
        _caches = caches;
        _injector = injector;
        _statuses = new PolicyStatuses(StandingOf) { OnChange = key => _policies!.Queue.Add(key) };
        var retry = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(2));
        _namespaces = Controller<string>("namespaces", 1, (name, _) => Task.FromResult(LookAt(name)));
        var policies = new PolicyController(
            key => caches.Index.Get(key.Key),
            key => (key.IsClusterWide ? caches.ClusterPolicies : caches.Policies).Get(key.Key),
            _statuses,
            capturesOf,
            (key, patch, ct) => (key.IsClusterWide ? caches.ClusterPolicyApi : caches.PolicyApi).PatchStatusAsync(key.Key, patch, ct),
            () => metrics.StatusWrites.Inc(),
            time,
            loggers.CreateLogger<PolicyController>());
        _policies = Controller<PolicyKey>("policies", options.Workers, policies.ReconcileAsync);
        var settings = new SettingsController(
            caches.Pods.Get,
            (key, ct) => caches.PodApi.GetAsync(key, ct),
            Select,
            PodFacts.Of,
            requestsFor,
            () => injector().Report,
            (key, patch, ct) => caches.PodApi.PatchAsync(key, patch, ct),
            new PatchPace(options.SettingsRate, time),
            () => metrics.SettingsWrites.Inc(),
            loggers.CreateLogger<SettingsController>());
        _settings = Controller<ResourceKey>("settings", options.Workers, settings.ReconcileAsync);
        caches.Pods.OnChange(PodChanged);
        caches.Index.OnChange(PolicyChanged);
        caches.Namespaces.OnChange(NamespaceChanged);
        metrics.Registry.AddBeforeCollectCallback(() => Measure(metrics));

        Controller<TKey> Controller<TKey>(string name, int workers, Func<TKey, CancellationToken, Task<ReconcileResult>> reconcile) where TKey : notnull =>
            new(
                name,
                new WorkQueue<TKey>(retry, time),
                reconcile,
                new ControllerOptions
                {
                    Workers = workers,
                    OnReconciled = (result, took) =>
                    {
                        metrics.Reconciles.WithLabels(name, result).Inc();
                        metrics.ReconcileDuration.WithLabels(name).Observe(took.TotalSeconds);
                    },
                },
                time,
                loggers.CreateLogger($"Premortem.Runtime.Controller.{name}"));
    }

    /// <summary>While this replica leads, from when the copies are whole.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        _isLeading = true;
        LookAtEverything();
        await Task.WhenAll(_namespaces.RunAsync(ct), _policies.RunAsync(ct), _settings.RunAsync(ct));
    }

    /// <summary>How many pods a policy selects that may not be known yet. Looks at every pod that it could mean: for a person who waits, not for a loop.</summary>
    public int CountMatching(PolicyView policy) => _caches.Pods.List(policy.Namespace).Count(pod =>
        PodStanding.IsAlive(pod) && Namespace(pod) is { } @namespace && PolicySelector.Select(pod.Metadata.Labels, @namespace, [policy]).Count > 0);

    /// <summary>What all sidecars are told has changed: the bundle of CAs.</summary>
    public void ReportSettingsChanged()
    {
        if (_isLeading)
            foreach (var pod in _statuses.InjectedPods())
                _settings.Queue.Add(pod);
    }

    /// <summary>What is asked of a pod's sidecar may have changed.</summary>
    public void RequestsChanged(ResourceKey pod)
    {
        if (_isLeading)
            _settings.Queue.Add(pod);
    }

    /// <summary>Somebody knows of more captures of a policy.</summary>
    public void CapturesChanged(PolicyKey policy)
    {
        if (_isLeading)
            _policies.Queue.Add(policy);
    }

    private void LookAtEverything()
    {
        foreach (var name in _caches.Pods.List().Select(pod => pod.Metadata.Namespace!).Distinct())
            _namespaces.Queue.Add(name);
        foreach (var policy in _caches.Index.All)
            _policies.Queue.Add(PolicyKey.Of(policy));
    }

    private ReconcileResult LookAt(string name)
    {
        foreach (var pod in _caches.Pods.List(name).Select(pod => ResourceKey.Of(pod)).Concat(_statuses.Pods(name)).Distinct())
            if (_statuses.Refresh(pod))
                _settings.Queue.Add(pod);
        return ReconcileResult.Done;
    }

    private void PodChanged(Pod? old, Pod? now)
    {
        if (!_isLeading)
            return;
        var isResized = old is not null && now is not null && PodStanding.IsResized(old, now);
        if (old is not null && now is not null && !ReferenceEquals(old, now) && !isResized && !PodStanding.IsChanged(old, now))
            return;
        var key = ResourceKey.Of((now ?? old)!);
        var isOther = _statuses.Refresh(key);
        // Somebody else may have written the settings, and a resync is there to find what was missed.
        if (now is not null && PodStanding.HasSidecar(now) && (isOther || isResized || ReferenceEquals(old, now) || Print(old) != Print(now)))
            _settings.Queue.Add(key);
    }

    private void PolicyChanged(PolicyView? old, PolicyView? now)
    {
        if (!_isLeading || (now ?? old) is not { } policy)
            return;
        _policies.Queue.Add(PolicyKey.Of(policy));
        if (ReferenceEquals(old, now))
            return;
        if (policy.Namespace is { } name)
            _namespaces.Queue.AddAfter(name, s_together);
        else
            foreach (var known in _caches.Namespaces.List())
                if (old?.NamespaceSelector.Selects(known.Metadata.Labels) == true || now?.NamespaceSelector.Selects(known.Metadata.Labels) == true)
                    _namespaces.Queue.AddAfter(known.Metadata.Name, s_together);
    }

    private void NamespaceChanged(Namespace? old, Namespace? now)
    {
        if (_isLeading && !ReferenceEquals(old, now))
            _namespaces.Queue.AddAfter((now ?? old)!.Metadata.Name, s_together);
    }

    private PodStanding? StandingOf(ResourceKey key)
    {
        if (_caches.Pods.Get(key) is not { } pod || Select(pod) is not { } policies)
            return null;
        return PodStanding.Of(pod, policies, () => MissedReason.Of(pod, Namespace(pod)!, policies, _injector()));
    }

    private IReadOnlyList<PolicyView>? Select(Pod pod) =>
        Namespace(pod) is { } @namespace ? PolicySelector.Select(pod.Metadata.Labels, @namespace, _caches.Index.For(@namespace.Name)) : null;

    private NamespaceView? Namespace(Pod pod) => _caches.Namespaces.Get(new ResourceKey(null, pod.Metadata.Namespace!)) is { } found
        ? new NamespaceView(found.Metadata.Name, found.Metadata.Labels ?? new Dictionary<string, string>())
        : null;

    private static string? Print(Pod? pod) => pod?.Metadata.Annotations?.GetValueOrDefault(Names.ConfigAnnotation);

    private void Measure(OperatorMetrics metrics)
    {
        metrics.QueueLength.WithLabels(_namespaces.Name).Set(_namespaces.Queue.Count);
        metrics.QueueLength.WithLabels(_policies.Name).Set(_policies.Queue.Count);
        metrics.QueueLength.WithLabels(_settings.Name).Set(_settings.Queue.Count);
        var totals = _statuses.Totals();
        metrics.Pods.WithLabels("injected").Set(totals.Injected);
        metrics.Pods.WithLabels("missed").Set(totals.Missed);
        metrics.Pods.WithLabels("storage_unreachable").Set(totals.StorageUnreachable);
        metrics.Pods.WithLabels("settings_refused").Set(totals.SettingsRefused);
    }
}
