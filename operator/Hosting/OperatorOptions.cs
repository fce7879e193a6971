using System.Text.Json.Nodes;
using Serilog.Events;

namespace Premortem.Operator.Hosting;

/// <summary>What the operator was told, by flags, environment and file; each is described in <see cref="OptionKeys"/>.</summary>
internal sealed record OperatorOptions
{
    /// <summary>Null: the cluster that this runs in, else what <c>KUBECONFIG</c> names.</summary>
    public string? Kubeconfig { get; init; }

    /// <summary>Where the operator itself is at home; null: what <see cref="HomeNamespace"/> finds.</summary>
    public string? Namespace { get; init; }

    public string ServiceName { get; init; } = "premortem";

    public string BindAddress { get; init; } = "0.0.0.0";

    /// <summary>0: any free one.</summary>
    public int HttpsPort { get; init; } = 9443;

    public int HttpPort { get; init; } = 8080;

    public string SidecarImage { get; init; } = $"premortem-sidecar:{Product.Release}";

    public string? SidecarImagePullPolicy { get; init; }

    /// <summary>A <c>ResourceRequirements</c>; null: what PodInjector has.</summary>
    public JsonObject? SidecarResources { get; init; }

    public IReadOnlyList<string> ExcludedNamespaces { get; init; } = [];

    public NativeSidecarMode NativeSidecars { get; init; } = NativeSidecarMode.Auto;

    public CertificateMode CertificateMode { get; init; } = CertificateMode.Operator;

    /// <summary>With <see cref="CertificateMode.Files"/>: where <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c> are.</summary>
    public string CertificateDirectory { get; init; } = "/etc/premortem/tls";

    public string CaSecret { get; init; } = "premortem-ca";

    public string WebhookConfiguration { get; init; } = "premortem";

    public string Lease { get; init; } = "premortem";

    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan LeaseRenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan LeaseRetryPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>An IP address where sidecars reach the service that cannot resolve its name.</summary>
    public string? ReportAddress { get; init; }

    /// <summary>The Service's port, where reports go.</summary>
    public int ReportPort { get; init; } = 443;

    public int Workers { get; init; } = 2;

    /// <summary>How often everything is looked at again though nothing has changed.</summary>
    public TimeSpan Resync { get; init; } = TimeSpan.FromHours(10);

    /// <summary>How many pods a second are told of new settings at most.</summary>
    public int SettingsRate { get; init; } = 50;

    /// <summary>How many captures that somebody asked for are under way at a time in the whole cluster.</summary>
    public int MaxRequestedCaptures { get; init; } = 10;

    /// <summary>How long reviews and reports are still answered after SIGTERM: until the last API server has heard that this endpoint is gone.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(5);

    public LogEventLevel LogLevel { get; init; } = LogEventLevel.Information;

    public LogFormat LogFormat { get; init; } = LogFormat.Auto;
}

internal enum NativeSidecarMode
{
    /// <summary>Where every kubelet of the cluster has them.</summary>
    Auto,
    Always,
    Never,
}

internal enum CertificateMode
{
    /// <summary>The operator makes, rotates and installs its own.</summary>
    Operator,

    /// <summary>Somebody else does, cert-manager for one: they are read from files.</summary>
    Files,
}
