using System.Globalization;
using System.Runtime.InteropServices;
using k8s;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Records;
using Premortem.Runtime;
using Premortem.Runtime.Admission;
using Prometheus;

namespace Premortem.Operator.Hosting;

/// <summary>
/// <c>premortem-operator run</c>: puts the parts together. They start in this order, and stop in the reverse one: health and metrics, certificates,
/// webhooks and reports, local copies, and what only the leader does.
/// </summary>
internal sealed class OperatorProcess : IAsyncDisposable
{
    private readonly OperatorOptions _options;
    private readonly IKubernetes _client;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly string _namespace;
    private readonly OperatorMetrics _metrics;
    private readonly Readiness _readiness = new();
    private readonly Caches _caches;
    private readonly Certificates _certificates;
    private readonly EventRecorder _events;
    private readonly LeaseElector _elector;
    private readonly Recording _recording;
    private readonly PolicyWork _policies;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _serverVersion;
    private bool? _isNative;
    private volatile InjectorOptions? _injector;
    private int _injectorEpoch;

    public OperatorProcess(OperatorOptions options, IKubernetes client, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        _client = client;
        _loggers = loggers;
        _time = time;
        _log = loggers.CreateLogger<OperatorProcess>();
        _namespace = HomeNamespace.Find(options.Namespace);
        _metrics = new OperatorMetrics(Metrics.NewCustomRegistry());
        DotNetStats.Register(_metrics.Registry);
        _caches = new Caches(client, options, loggers, time);
        _certificates = new Certificates(client, options, _namespace, loggers, time);
        _events = new EventRecorder(client, "premortem", time, loggers.CreateLogger<EventRecorder>());
        // Two processes of one pod's name, one of which has not noticed yet that it is dead, are two.
        var identity = $"{Environment.MachineName}_{Guid.NewGuid():N}";
        _elector = new LeaseElector(client, new LeaseOptions(_namespace, options.Lease, identity)
        {
            Duration = options.LeaseDuration,
            RenewDeadline = options.LeaseRenewDeadline,
            RetryPeriod = options.LeaseRetryPeriod,
        }, time, loggers.CreateLogger<LeaseElector>());
        _recording = new Recording(
            client, _caches.Pods, _caches.Namespaces, _caches.Captures, _caches.Index, _events.Record, Metrics.WithCustomRegistry(_metrics.Registry), time, loggers.CreateLogger<Recording>(), options.MaxRequestedCaptures);
        _policies = new PolicyWork(_caches, options, Injector, _recording.Requests.For, CapturesOf, _metrics, loggers, time);
        _recording.Requests.OnChange(_policies.RequestsChanged);
        _recording.Counts.OnChange(policy => _policies.CapturesChanged(new Policies.PolicyKey(new ResourceKey(policy.Namespace, policy.Name))));
        _certificates.OnBundleChanged = () =>
        {
            ForgetInjector();
            _policies.ReportSettingsChanged();
        };
        _caches.Nodes.OnChange((old, now) =>
        {
            if (old?.Status.NodeInfo != now?.Status.NodeInfo)
                ForgetInjector();
        });
        _metrics.Registry.AddBeforeCollectCallback(Measure);
    }

    /// <summary>The ports that were got.</summary>
    public int HttpPort { get; private set; }

    public int HttpsPort { get; private set; }

    public bool IsLeader => _elector.IsLeader;

    /// <summary>Ends when this replica is ready for the first time.</summary>
    public Task WhenReady => _ready.Task;

    public static async Task<int> RunUntilSignalledAsync(OperatorOptions options, string? file, ILoggerFactory loggers)
    {
        var log = loggers.CreateLogger<OperatorProcess>();
        Log.Starting(log, Product.NameAndVersion, HomeNamespace.Find(options.Namespace), file ?? "no file", OptionsReader.Show(options).ToDictionary(item => item.Name, item => item.Value));
        Kubernetes client;
        try
        {
            client = new Kubernetes(ClusterConnection.Configuration(options.Kubeconfig));
        }
        catch (Exception e) when (e is k8s.Exceptions.KubeConfigException or IOException or UnauthorizedAccessException or FormatException or YamlDotNet.Core.YamlException)
        {
            await Console.Error.WriteLineAsync($"premortem-operator: --kubeconfig {options.Kubeconfig}: {e.Message}");
            return ExitCodes.Usage;
        }
        using (client)
        {
            using var stop = new CancellationTokenSource();
            using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            await using var process = new OperatorProcess(options, client, loggers, TimeProvider.System);
            return await process.RunAsync(stop.Token);

            void Stop(PosixSignalContext context)
            {
                context.Cancel = true;
                stop.Cancel();
            }
        }
    }

    /// <summary>Until it is cancelled, or cannot go on.</summary>
    /// <returns>One of the <see cref="ExitCodes"/>.</returns>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        var started = _time.GetTimestamp();
        // What is in flight is finished with these, after the stop, in the reverse order of their start.
        using var leading = new CancellationTokenSource();
        using var following = new CancellationTokenSource();
        using var serving = new CancellationTokenSource();
        _readiness.Add("api-server", () => _serverVersion is null ? "has not answered yet" : null);
        _readiness.Add("certificate", () => _certificates.Missing);
        _readiness.Add("caches", _caches.Missing);
        try
        {
            await using var health = await Listener.StartAsync(_options.BindAddress, _options.HttpPort, null, _loggers, app => HealthEndpoints.Map(app, _readiness, _metrics.Registry), stop);
            HttpPort = health.Port;
            var certificates = Part("certificates", _certificates.RunAsync(serving.Token));
            await using var webhooks = await Listener.StartAsync(_options.BindAddress, _options.HttpsPort, () => _certificates.Context, _loggers, Map, stop);
            HttpsPort = webhooks.Port;
            Log.Listening(_log, HttpPort, HttpsPort);
            var events = Part("events", _events.RunAsync(serving.Token));
            var caches = Part("caches", _caches.RunAsync(following.Token));
            var connecting = Part("connecting", ConnectAsync(following.Token));
            var ready = Part("readiness", SayReadyAsync(started, following.Token));
            var lead = Part("leading", LeadAsync(leading.Token));

            Task[] parts = [certificates, events, caches, connecting, lead];
            var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = stop.UnsafeRegister(_ => cancelled.TrySetResult(), null);
            var failed = await FirstFailureAsync(parts, cancelled.Task);
            var code = await ExplainAsync(failed);

            _readiness.End(stop.IsCancellationRequested ? "told to stop" : "a part has failed");
            var drain = _time.GetTimestamp();
            await leading.CancelAsync();
            await Quietly(lead);
            // API servers learn of the end of an endpoint a moment after the signal that ends it.
            if (_options.Drain - _time.GetElapsedTime(drain) is var rest && rest > TimeSpan.Zero && stop.IsCancellationRequested)
                await Task.Delay(rest, _time, CancellationToken.None);
            await following.CancelAsync();
            await Quietly(Task.WhenAll(caches, connecting, ready));
            await webhooks.DisposeAsync();
            await serving.CancelAsync();
            await Quietly(Task.WhenAll(certificates, events));
            Log.Stopped(_log);
            return code;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
        catch (IOException e)
        {
            // A port that is taken.
            Log.Failed(_log, e, "listening");
            return ExitCodes.Failed;
        }
        finally
        {
            await leading.CancelAsync();
            await following.CancelAsync();
            await serving.CancelAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        _ready.TrySetCanceled();
        _recording.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Map(WebApplication app)
    {
        var namespaces = new NamespaceLabels(_caches.Namespaces, _caches.NamespaceApi, _time, _loggers.CreateLogger<NamespaceLabels>());
        var injection = new InjectionEndpoint(
            _caches.Index.For,
            namespaces.FindAsync,
            Injector,
            () => _caches.KnowsPolicies && _serverVersion is not null && _certificates.Bundle is not null,
            _events.Record,
            _metrics,
            _time,
            _loggers.CreateLogger<InjectionEndpoint>());
        var validation = new ValidationEndpoint(Validate, _metrics, _loggers.CreateLogger<ValidationEndpoint>());
        app.MapAdmission(InjectionEndpoint.Path, injection.ReviewAsync, Admission(injection.OnError));
        app.MapAdmission(ValidationEndpoint.Path, validation.ReviewAsync, Admission(validation.OnError));
        _recording.Map(app);
        HealthEndpoints.Map(app, _readiness, _metrics.Registry);
    }

    // The API server waits two seconds for the injector; what comes later is not heard.
    private AdmissionOptions Admission(Action<AdmissionRequest?, Exception> onError) =>
        new() { Name = "premortem", Timeout = TimeSpan.FromSeconds(1.5), OnError = onError, Time = _time };

    private AdmissionAnswer Validate(AdmissionRequest request) => PolicyValidator.Validate(
        request,
        _caches.Pods.HasSynced && _caches.Namespaces.HasSynced ? _policies.CountMatching : null,
        _caches.Index.For);

    private CaptureFigures CapturesOf(PolicyView policy)
    {
        var count = _recording.Counts.Of(policy);
        return new CaptureFigures(count.Captures, count.LastCaptureTime);
    }

    /// <summary>What PodInjector is told; made again when a part of it has changed.</summary>
    private InjectorOptions Injector()
    {
        if (_injector is { } made)
            return made;
        var epoch = Volatile.Read(ref _injectorEpoch);
        var isNative = NativeSidecars.Decide(_options.NativeSidecars, NativeSidecars.Kubelets(_caches.Nodes.List()), _serverVersion);
        if (_isNative != isNative)
            Log.SidecarKind(_log, isNative ? "native" : "classic");
        _isNative = isNative;
        made = new InjectorOptions
        {
            SidecarImage = _options.SidecarImage,
            ImagePullPolicy = _options.SidecarImagePullPolicy,
            ServerHasNativeSidecars = isNative,
            OperatorNamespace = _namespace,
            ExcludedNamespaces = _options.ExcludedNamespaces,
            Report = _certificates.Bundle is { } bundle ? new ReportSettings(ReportUrl(), bundle, _options.ReportAddress) : null,
            DefaultResources = _options.SidecarResources,
        };
        // Of what has changed meanwhile nothing may be kept.
        if (epoch == Volatile.Read(ref _injectorEpoch))
            _injector = made;
        return made;
    }

    private string ReportUrl() => string.Create(
        CultureInfo.InvariantCulture,
        $"https://{_options.ServiceName}.{_namespace}.svc{(_options.ReportPort == 443 ? "" : $":{_options.ReportPort}")}");

    private void ForgetInjector()
    {
        Interlocked.Increment(ref _injectorEpoch);
        _injector = null;
    }

    /// <summary>Until the API server has said which version it is; it may be asked for an old one at an upgrade, so ask again.</summary>
    private async Task ConnectAsync(CancellationToken ct)
    {
        while (true)
        {
            var isFirst = _serverVersion is null;
            try
            {
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
                deadline.CancelAfter(TimeSpan.FromSeconds(10));
                var version = (await _client.Version.GetCodeAsync(deadline.Token)).GitVersion;
                if (_serverVersion != version)
                {
                    _serverVersion = version;
                    ForgetInjector();
                    Log.Connected(_log, _client.BaseUri.ToString(), version);
                }
            }
            catch (Exception e) when (!ct.IsCancellationRequested && e is HttpRequestException or OperationCanceledException or k8s.Autorest.HttpOperationException)
            {
                if (isFirst)
                    Log.NotYet(_log, $"Reaching {_client.BaseUri}", e.Message);
            }
            await Task.Delay(_serverVersion is null ? TimeSpan.FromSeconds(1) : TimeSpan.FromMinutes(10), _time, ct);
        }
    }

    private async Task SayReadyAsync(long started, CancellationToken ct)
    {
        string? said = null;
        for (var waited = 0; !_readiness.Read().IsReady; waited++)
        {
            // What is there within moments is not worth a line.
            var missing = string.Join("; ", _readiness.Read().Lines.Where(line => line.StartsWith("[-]", StringComparison.Ordinal)).Select(line => line[4..]));
            if (waited > 40 && missing != said)
                Log.NotReady(_log, said = missing);
            await Task.Delay(TimeSpan.FromMilliseconds(50), _time, ct);
        }
        Log.Ready(_log, Math.Round(_time.GetElapsedTime(started).TotalSeconds, 2), _caches.Policies.Figures.Objects + _caches.ClusterPolicies.Figures.Objects, _caches.Pods.Figures.Objects);
        _ready.TrySetResult();
    }

    private Task LeadAsync(CancellationToken ct) => _elector.RunAsync(
        async lead =>
        {
            Log.Leading(_log);
            await _caches.WhenSyncedAsync(lead);
            await Task.WhenAll(_policies.RunAsync(lead), _recording.LeadAsync(lead));
        },
        ct);

    private async Task<int> ExplainAsync(Task? failed)
    {
        if (failed is null)
        {
            Log.Stopping(_log, "told to stop", _options.Drain.TotalSeconds);
            return ExitCodes.Done;
        }
        try
        {
            await failed;
            Log.Failed(_log, new InvalidOperationException("it ended by itself"), "a part");
            return ExitCodes.Failed;
        }
        catch (PartFailedException e) when (e.InnerException is LeadershipLostException lost)
        {
            Log.LeadLost(_log, lost.Message);
            return ExitCodes.LeadershipLost;
        }
        catch (PartFailedException e)
        {
            Log.Failed(_log, e.InnerException!, e.Message);
            return ExitCodes.Failed;
        }
    }

    private static async Task<Task?> FirstFailureAsync(Task[] parts, Task cancelled)
    {
        var first = await Task.WhenAny([cancelled, .. parts]);
        return first == cancelled ? null : first;
    }

    private static async Task Part(string name, Task part)
    {
        try
        {
            await part;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new PartFailedException(name, e);
        }
    }

    private static async Task Quietly(Task task)
    {
        try
        {
            await task;
        }
        catch (Exception e) when (e is OperationCanceledException or PartFailedException)
        {
            // It is over, and the first that failed has been told of.
        }
    }

    private void Measure()
    {
        _metrics.Leader.Set(_elector.IsLeader ? 1 : 0);
        foreach (var (type, _, figures) in _caches.All)
        {
            _metrics.InformerObjects.WithLabels(type.Plural).Set(figures.Objects);
            _metrics.InformerRelists.WithLabels(type.Plural).Set(figures.Relists);
            _metrics.InformerWatchErrors.WithLabels(type.Plural).Set(figures.WatchErrors);
        }
        if (_certificates.Current is { } certificate)
            _metrics.CertificateExpiry.Set(new DateTimeOffset(certificate.NotAfter).ToUnixTimeSeconds());
        var counts = _caches.Index.All.CountBy(policy => (policy.Kind, policy.IsValid)).ToDictionary();
        foreach (var kind in new[] { Resources.PolicyResource.Type.Kind, Resources.PolicyResource.ClusterType.Kind })
            foreach (var isValid in new[] { true, false })
                _metrics.Policies.WithLabels(kind, isValid ? "true" : "false").Set(counts.GetValueOrDefault((kind, isValid)));
    }

    private sealed class PartFailedException(string part, Exception inner) : Exception(part, inner);
}
