using Premortem.Contracts;

namespace Premortem.Operator.Injection;

/// <summary>A container of a pod as the injector sees it.</summary>
/// <param name="Pointer">Where it stands, as a JSON patch says it: <c>/spec/containers/0</c>.</param>
internal sealed record ContainerView(PodFields Fields, string Pointer, bool IsInit)
{
    public string Name { get; } = Fields.RequiredText("name");

    public bool IsNativeSidecar => IsInit && Fields.Text("restartPolicy") == "Always";

    public IReadOnlyList<PodFields> Environment => Fields.Children("env");

    public IReadOnlyList<PodFields> VolumeMounts => Fields.Children("volumeMounts");

    public long? MemoryLimitBytes => ReadMemoryLimit(Fields);

    /// <param name="fields">What has a field <c>resources</c>.</param>
    public static long? ReadMemoryLimit(PodFields fields) =>
        fields.Child("resources")?.Child("limits")?.Quantity("memory") is { } text && Quantity.TryParse(text, out var bytes) && bytes > 0 ? bytes : null;
}
