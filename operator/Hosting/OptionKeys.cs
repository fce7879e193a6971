using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Premortem.Contracts;
using Serilog.Events;

namespace Premortem.Operator.Hosting;

/// <summary>One option: <c>https-port</c> is <c>--https-port</c>, <c>PREMORTEM_OPERATOR_HTTPS_PORT</c> and, in the file, <c>httpsPort</c>.</summary>
/// <param name="Set">Throws <see cref="FormatException"/> with what the value has to be.</param>
/// <param name="Get">As it would be written; null: not set.</param>
internal sealed record OptionKey(
    string Name,
    string HelpName,
    string Description,
    Func<OperatorOptions, string, OperatorOptions> Set,
    Func<OperatorOptions, string?> Get)
{
    public const string VariablePrefix = "PREMORTEM_OPERATOR_";

    public string Flag => "--" + Name;

    public string Variable { get; } = VariablePrefix + Name.Replace('-', '_').ToUpperInvariant();

    public string Field { get; } = string.Concat(Name.Split('-').Select((part, index) => index == 0 ? part : char.ToUpperInvariant(part[0]) + part[1..]));
}

/// <summary>All of them, in the order of the help.</summary>
internal static partial class OptionKeys
{
    public static IReadOnlyList<OptionKey> All { get; } =
    [
        new("kubeconfig", "FILE", "How to reach the API server (default: the cluster that this runs in, else $KUBECONFIG, else ~/.kube/config)",
            (o, text) => o with { Kubeconfig = text }, o => o.Kubeconfig),
        new("namespace", "NAME", "Where the operator is at home (default: $POD_NAMESPACE, else the service account's, else premortem-system)",
            (o, text) => o with { Namespace = DnsLabel(text) }, o => o.Namespace),
        new("service-name", "NAME", "The Service in front of the operator, for webhooks and reports",
            (o, text) => o with { ServiceName = DnsLabel(text) }, o => o.ServiceName),
        new("bind-address", "IP", "The address to listen on",
            (o, text) => o with { BindAddress = Address(text) }, o => o.BindAddress),
        new("https-port", "PORT", "Webhooks and reports of sidecars",
            (o, text) => o with { HttpsPort = Number(text, 0, 65535) }, o => Text(o.HttpsPort)),
        new("http-port", "PORT", "/healthz, /readyz and /metrics",
            (o, text) => o with { HttpPort = Number(text, 0, 65535) }, o => Text(o.HttpPort)),
        new("sidecar-image", "IMAGE", "What is injected",
            (o, text) => o with { SidecarImage = NoSpaces(text) }, o => o.SidecarImage),
        new("sidecar-image-pull-policy", "POLICY", "Always, IfNotPresent or Never (default: the cluster's)",
            (o, text) => o with { SidecarImagePullPolicy = OneOf(text, "Always", "IfNotPresent", "Never") }, o => o.SidecarImagePullPolicy),
        new("sidecar-resources", "JSON", "ResourceRequirements of sidecars whose policy has none: {\"limits\": {\"memory\": \"128Mi\"}}",
            (o, text) => o with { SidecarResources = Resources(text) }, o => o.SidecarResources?.ToJsonString()),
        new("excluded-namespaces", "A,B", "Where nothing is injected, beside kube-system, kube-public, kube-node-lease and the operator's own",
            (o, text) => o with { ExcludedNamespaces = [.. Parts(text).Select(DnsLabel)] }, o => o.ExcludedNamespaces is [] ? null : string.Join(',', o.ExcludedNamespaces)),
        new("native-sidecars", "MODE", "Auto (where every kubelet of the cluster has them), Always or Never",
            (o, text) => o with { NativeSidecars = Word<NativeSidecarMode>(text) }, o => o.NativeSidecars.ToString()),
        new("certificate-mode", "MODE", "Operator (made, rotated and installed by the operator) or Files (by somebody else, cert-manager for one)",
            (o, text) => o with { CertificateMode = Word<CertificateMode>(text) }, o => o.CertificateMode.ToString()),
        new("certificate-directory", "DIR", "With --certificate-mode Files: where tls.crt, tls.key and ca.crt are, which sidecars are to trust",
            (o, text) => o with { CertificateDirectory = text }, o => o.CertificateDirectory),
        new("ca-secret", "NAME", "With --certificate-mode Operator: the Secret that holds the CA",
            (o, text) => o with { CaSecret = DnsName(text) }, o => o.CaSecret),
        new("webhook-configuration", "NAME", "The Mutating- and ValidatingWebhookConfiguration whose caBundle is kept right",
            (o, text) => o with { WebhookConfiguration = DnsName(text) }, o => o.WebhookConfiguration),
        new("lease", "NAME", "The Lease by which one replica leads",
            (o, text) => o with { Lease = DnsName(text) }, o => o.Lease),
        new("lease-duration", "DURATION", "How long a lease holds that is not renewed",
            (o, text) => o with { LeaseDuration = Duration(text, 1) }, o => Durations.Format(o.LeaseDuration)),
        new("lease-renew-deadline", "DURATION", "How long renewing may fail until the lead is given up; less than --lease-duration",
            (o, text) => o with { LeaseRenewDeadline = Duration(text, 0.1) }, o => Durations.Format(o.LeaseRenewDeadline)),
        new("lease-retry-period", "DURATION", "How often the lease is renewed or asked for; less than --lease-renew-deadline",
            (o, text) => o with { LeaseRetryPeriod = Duration(text, 0.05) }, o => Durations.Format(o.LeaseRetryPeriod)),
        new("report-address", "IP", "Where sidecars reach the Service that cannot resolve its name",
            (o, text) => o with { ReportAddress = Address(text) }, o => o.ReportAddress),
        // Not service-port: the kubelet sets a variable like that for a Service called premortem-operator.
        new("report-port", "PORT", "The port of the Service, where sidecars reach it",
            (o, text) => o with { ReportPort = Number(text, 1, 65535) }, o => Text(o.ReportPort)),
        new("workers", "N", "How many objects of a kind are worked on at a time",
            (o, text) => o with { Workers = Number(text, 1, 64) }, o => Text(o.Workers)),
        new("resync", "DURATION", "How often everything is looked at again though nothing has changed",
            (o, text) => o with { Resync = Duration(text, 60) }, o => Durations.Format(o.Resync)),
        new("settings-rate", "N", "How many pods a second are told of new settings at most",
            (o, text) => o with { SettingsRate = Number(text, 1, 10_000) }, o => Text(o.SettingsRate)),
        new("max-requested-captures", "N", "How many captures that somebody asked for are under way at a time in the whole cluster; the others wait in line",
            (o, text) => o with { MaxRequestedCaptures = Number(text, 1, 10_000) }, o => Text(o.MaxRequestedCaptures)),
        new("drain", "DURATION", "How long reviews and reports are still answered after SIGTERM",
            (o, text) => o with { Drain = Duration(text, 0) }, o => Durations.Format(o.Drain)),
        new("log-level", "LEVEL", "Verbose, Debug, Information, Warning, Error or Fatal",
            (o, text) => o with { LogLevel = Word<LogEventLevel>(text) }, o => o.LogLevel.ToString()),
        new("log-format", "FORMAT", "Auto (text at a terminal, JSON elsewhere), Text or Json",
            (o, text) => o with { LogFormat = Word<LogFormat>(text) }, o => o.LogFormat.ToString()),
    ];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string[] Parts(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static int Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new FormatException($"a whole number from {least} to {most}");

    private static TimeSpan Duration(string text, double leastSeconds) =>
        Durations.TryParse(text, out var duration) && duration.TotalSeconds >= leastSeconds
            ? duration
            : throw new FormatException($"a duration of at least {Durations.Format(TimeSpan.FromSeconds(leastSeconds))}, like 15s or 1m30s");

    // Enum.TryParse takes numbers too.
    private static T Word<T>(string text) where T : struct, Enum =>
        Enum.GetNames<T>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name
            ? Enum.Parse<T>(name)
            : throw new FormatException($"one of {string.Join(", ", Enum.GetNames<T>())}");

    private static string OneOf(string text, params string[] words) =>
        words.Contains(text) ? text : throw new FormatException($"one of {string.Join(", ", words)}");

    private static string Address(string text) =>
        IPAddress.TryParse(text, out _) ? text : throw new FormatException("an IP address, like 10.96.0.7 or ::");

    private static string NoSpaces(string text) =>
        text.Length > 0 && !text.Any(char.IsWhiteSpace) ? text : throw new FormatException("an image, like registry.example/premortem-sidecar:1.0");

    private static string DnsLabel(string text) =>
        Label().IsMatch(text) ? text : throw new FormatException("a DNS label: lower-case letters, digits and '-', at most 63");

    private static string DnsName(string text) =>
        Name().IsMatch(text) ? text : throw new FormatException("a DNS name: lower-case letters, digits, '-' and '.', at most 253");

    private static JsonObject Resources(string text)
    {
        const string Wanted = "ResourceRequirements as JSON, like {\"requests\": {\"cpu\": \"10m\"}, \"limits\": {\"memory\": \"128Mi\"}}";
        try
        {
            if (JsonNode.Parse(text) is not JsonObject resources)
                throw new FormatException(Wanted);
            foreach (var (key, value) in resources)
            {
                if (key is not ("requests" or "limits") || value is not JsonObject quantities)
                    throw new FormatException(Wanted);
                foreach (var (name, quantity) in quantities)
                    if (quantity is not JsonValue scalar || !QuantityShape().IsMatch(scalar.ToString()))
                        throw new FormatException($"{Wanted}; {key}.{name} is no quantity");
            }
            return resources;
        }
        catch (JsonException)
        {
            throw new FormatException(Wanted);
        }
    }

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    private static partial Regex Label();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?\z")]
    private static partial Regex QuantityShape();
}
