using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Tests.Injection;

/// <summary>
/// A folder below <c>testdata</c>: <c>pod.yaml</c>, with <c>policies.yaml</c> and <c>options.yaml</c> where they are not the usual ones, and what
/// is wanted of them.
/// </summary>
internal sealed record InjectionCase(string Name, JsonObject Pod, NamespaceView Namespace, IReadOnlyList<PolicyView> Policies, InjectorOptions Options)
{
    public static string Folder { get; } = Of();

    public static IEnumerable<string> Names { get; } =
        [.. Directory.EnumerateFiles(Folder, "pod.yaml", SearchOption.AllDirectories).Select(path => Path.GetFileName(Path.GetDirectoryName(path)!)).Order(StringComparer.Ordinal)];

    public InjectionDecision Decide() => PodInjector.Decide(Pod, Namespace, Policies, Options);

    public static InjectionCase Load(string name)
    {
        var folder = Path.Combine(Folder, name);
        var options = Path.Combine(folder, "options.yaml") is var path && File.Exists(path) ? YamlNodes.Read(path)[0] : [];
        return new InjectionCase(
            name,
            YamlNodes.Read(Path.Combine(folder, "pod.yaml"))[0],
            new NamespaceView(options["namespace"]?.GetValue<string>() ?? "shop", Map(options["namespaceLabels"])),
            [.. YamlNodes.Read(Path.Combine(folder, "policies.yaml") is var own && File.Exists(own) ? own : Path.Combine(Folder, "policies.yaml")).Select(View)],
            new InjectorOptions
            {
                SidecarImage = options["image"]?.GetValue<string>() ?? "registry.example/premortem-sidecar:0.1.0",
                ImagePullPolicy = options["imagePullPolicy"]?.GetValue<string>(),
                ServerHasNativeSidecars = options["native"]?.GetValue<bool>() ?? true,
                OperatorNamespace = "premortem-system",
                ExcludedNamespaces = [.. (options["excludedNamespaces"]?.AsArray() ?? []).Select(item => item!.GetValue<string>())],
                DefaultResources = options["defaultResources"]?.AsObject(),
                Report = options["report"]?.GetValue<bool>() == false ? null : new ReportSettings(
                    "https://premortem.premortem-system.svc", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "10.96.0.17"),
            });
    }

    public static PolicyView View(JsonObject document) => PolicyView.From(new PolicyResource
    {
        Metadata = new ObjectMeta
        {
            Name = document["metadata"]!["name"]!.GetValue<string>(),
            Namespace = document["metadata"]!["namespace"]?.GetValue<string>(),
            Uid = document["metadata"]!["uid"]?.GetValue<string>(),
            Generation = document["metadata"]!["generation"]?.GetValue<long>(),
        },
        Spec = document["spec"]!.DeepClone().AsObject(),
    });

    private static Dictionary<string, string> Map(JsonNode? labels) =>
        (labels?.AsObject() ?? []).ToDictionary(label => label.Key, label => label.Value!.GetValue<string>());

    private static string Of([CallerFilePath] string caller = "") => Path.Combine(Path.GetDirectoryName(caller)!, "testdata");
}
