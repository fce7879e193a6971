using k8s;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Prometheus;

namespace Premortem.Operator.Records;

/// <summary>
/// All that the operator does with captures: what every replica serves, and what the leader looks after. Make it before the informers run;
/// the informer of captures has <see cref="CaptureIndex.Trim"/>.
/// </summary>
internal sealed class Recording : IDisposable
{
    private readonly TokenReviews _tokens;
    private readonly GcTraces _gcTraces;
    private readonly ReportEndpoints _endpoints;
    private readonly CaptureController _controller;
    private readonly OomKillWatch _kills;
    private readonly HistoryController _history;

    public Recording(
        IKubernetes client,
        Informer<Pod> pods,
        Informer<Namespace> namespaces,
        Informer<ProfileCapture> captures,
        PolicyIndex policies,
        EventSink events,
        IMetricFactory metrics,
        TimeProvider time,
        ILogger log,
        int maxRequestedCaptures,
        OomKillOptions? options = null)
    {
        var captureApi = new ResourceApi<ProfileCapture>(client, ProfileCapture.Type);
        var podApi = new ResourceApi<Pod>(client, Pod.Type);
        var reviews = new ResourceApi<TokenReview>(client, TokenReview.Type);
        var workloads = new Workloads(
            new ResourceApi<OwnedResource>(client, OwnedResource.ReplicaSet), new ResourceApi<OwnedResource>(client, OwnedResource.Job), time);
        var figures = new RecordMetrics(metrics);
        var index = new CaptureIndex(captures);
        _tokens = new TokenReviews((token, ct) => TokenReview.AskAsync(reviews, token, ct), figures, time);
        _gcTraces = new GcTraces(new PodLogs(client), pods.Get, time);
        _endpoints = new ReportEndpoints(
            _tokens,
            new CaptureReports(captureApi, podApi, pods.Get, workloads, events, figures, time, log).TakeAsync,
            new SidecarStatuses(podApi, pods.Get).TakeAsync,
            _gcTraces.ReadAsync,
            figures,
            time,
            log);
        Requests = new CaptureRequests(index);
        Counts = new CaptureCounts(index);
        _controller = new CaptureController(captureApi, podApi, pods, index, new RequestTurns(index, maxRequestedCaptures), Selecting, events, time, log);
        _kills = new OomKillWatch(captureApi, podApi, pods, index, Selecting, workloads, events, figures, options ?? new OomKillOptions(), time, log);
        _history = new HistoryController(captureApi, index, policies, time, log);

        IReadOnlyList<PolicyView> Selecting(Pod pod)
        {
            var @namespace = pod.Metadata.Namespace ?? "";
            var labels = namespaces.Get(new ResourceKey(null, @namespace))?.Metadata.Labels ?? new Dictionary<string, string>();
            return PolicySelector.Select(pod.Metadata.Labels, new NamespaceView(@namespace, labels), policies.For(@namespace));
        }
    }

    /// <summary>What users ask for, for the settings of a pod's sidecar.</summary>
    public CaptureRequests Requests { get; }

    /// <summary>How many captures each policy has, for its status.</summary>
    public CaptureCounts Counts { get; }

    /// <summary>Every replica serves reports.</summary>
    public void Map(IEndpointRouteBuilder routes) => _endpoints.Map(routes);

    /// <summary>What the leader does, until it is cancelled. The informers have synced.</summary>
    public Task LeadAsync(CancellationToken ct) => Task.WhenAll(_controller.RunAsync(ct), _kills.RunAsync(ct), _history.RunAsync(ct));

    public void Dispose()
    {
        _gcTraces.Dispose();
        _tokens.Dispose();
    }
}
