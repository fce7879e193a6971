using Prometheus;

namespace Premortem.Operator.Hosting;

/// <summary>What the operator counts; docs/reference/metrics.md says what each is for, and a test compares the two.</summary>
internal sealed class OperatorMetrics
{
    private static readonly double[] s_admissionBuckets = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];
    private static readonly double[] s_reconcileBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

    public OperatorMetrics(CollectorRegistry registry)
    {
        Registry = registry;
        var make = Metrics.WithCustomRegistry(registry);
        Build = make.CreateGauge("premortem_build_info", "Always 1; the label has the version.", "version");
        Build.WithLabels(Product.Release).Set(1);
        Leader = make.CreateGauge("premortem_leader", "1 where this replica leads.");
        Injections = make.CreateCounter("premortem_injections_total", "Pods that were reviewed, by what became of them and why.", "result", "reason");
        InjectionErrors = make.CreateCounter("premortem_injection_errors_total", "Pods that were let through untouched because the operator failed.", "reason");
        InjectionDuration = make.CreateHistogram("premortem_injection_duration_seconds", "How long the review of a pod took.", new HistogramConfiguration { Buckets = s_admissionBuckets });
        Validations = make.CreateCounter("premortem_validations_total", "Policies and captures that were reviewed.", "kind", "result");
        Reconciles = make.CreateCounter("premortem_reconciles_total", "Objects that were worked on.", "controller", "result");
        ReconcileDuration = make.CreateHistogram("premortem_reconcile_duration_seconds", "How long working on one took.", new HistogramConfiguration { Buckets = s_reconcileBuckets, LabelNames = ["controller"] });
        QueueLength = make.CreateGauge("premortem_queue_length", "Objects that wait to be worked on.", "controller");
        StatusWrites = make.CreateCounter("premortem_policy_status_writes_total", "Statuses of policies that were written.");
        SettingsWrites = make.CreateCounter("premortem_settings_writes_total", "Pods whose sidecar was told of new settings.");
        Policies = make.CreateGauge("premortem_policies", "Policies of the cluster.", "kind", "valid");
        Pods = make.CreateGauge("premortem_pods", "Pods that a policy selects, by what is known of them; on the leader.", "state");
        InformerObjects = make.CreateGauge("premortem_informer_objects", "Objects in the local copy.", "resource");
        InformerRelists = make.CreateGauge("premortem_informer_relists", "Whole lists that were read since the start.", "resource");
        InformerWatchErrors = make.CreateGauge("premortem_informer_watch_errors", "Lists and watches that failed since the start.", "resource");
        CertificateExpiry = make.CreateGauge("premortem_certificate_expiry_timestamp_seconds", "When the serving certificate ends, in Unix time.");
    }

    public CollectorRegistry Registry { get; }

    public Gauge Build { get; }

    public Gauge Leader { get; }

    public Counter Injections { get; }

    public Counter InjectionErrors { get; }

    public Histogram InjectionDuration { get; }

    public Counter Validations { get; }

    public Counter Reconciles { get; }

    public Histogram ReconcileDuration { get; }

    public Gauge QueueLength { get; }

    public Counter StatusWrites { get; }

    public Counter SettingsWrites { get; }

    public Gauge Policies { get; }

    public Gauge Pods { get; }

    public Gauge InformerObjects { get; }

    public Gauge InformerRelists { get; }

    public Gauge InformerWatchErrors { get; }

    public Gauge CertificateExpiry { get; }
}
