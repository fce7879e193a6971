namespace Premortem.Contracts.Policies;

/// <summary>Reads <c>spec.sidecar</c>. What stands there goes into pods: were it wrong, the API server would refuse the pods.</summary>
internal static class SidecarOptionsReader
{
    // Others (devices, huge pages, claims) have rules of their own, and are of no use to a sidecar.
    private static readonly string[] ResourceNames = ["cpu", "memory", "ephemeral-storage"];

    private const decimal LeastMemory = 16L << 20;

    public static SidecarOptions Read(DocumentFields spec)
    {
        if (spec.Object("sidecar") is not { } fields)
            return new SidecarOptions();
        var mode = fields.Enum<SidecarMode>("mode") ?? SidecarMode.Auto;
        var share = fields.Boolean("shareProcessNamespace") ?? true;
        if (fields.Object("resources") is { } resources)
        {
            var limits = ReadQuantities(resources, "limits");
            var requests = ReadQuantities(resources, "requests");
            foreach (var (name, request) in requests)
                if (limits.TryGetValue(name, out var limit) && request.Amount > limit.Amount)
                    resources.Wrong($"requests.{name}", $"is '{request.Text}', but may not be above the limit of '{limit.Text}'");
            resources.NoOthers();
        }
        fields.NoOthers();
        return new SidecarOptions { Mode = mode, ShareProcessNamespace = share, Resources = fields.Json("resources")?.DeepClone().AsObject() };
    }

    private static Dictionary<string, (decimal Amount, string Text)> ReadQuantities(DocumentFields resources, string field)
    {
        var quantities = new Dictionary<string, (decimal, string)>(StringComparer.Ordinal);
        if (resources.Object(field) is not { } fields)
            return quantities;
        foreach (var name in ResourceNames)
            if (fields.Scalar(name) is { } text)
            {
                if (!Quantity.TryParseExact(text, out var amount))
                    fields.Wrong(name, $"is '{(text.Length <= 80 ? text : text[..80] + "…")}', but has to be a quantity like {(name == "cpu" ? "50m" : "64Mi")}");
                else if (name == "memory" && field == "limits" && amount < LeastMemory)
                    fields.Wrong(name, $"is '{text}', but the sidecar does not live on less than {Quantity.Format((long)LeastMemory)}");
                else
                    quantities[name] = (amount, text);
            }
        fields.NoOthers();
        return quantities;
    }
}
