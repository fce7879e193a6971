using System.Text.Json.Nodes;

namespace Premortem.Operator.Policies;

/// <summary>A Kubernetes LabelSelector: every part has to hold. An empty one selects everything.</summary>
internal sealed record LabelSelector(IReadOnlyDictionary<string, string> MatchLabels, IReadOnlyList<LabelRequirement> MatchExpressions)
{
    public static LabelSelector Everything { get; } = new(new Dictionary<string, string>(), []);

    public bool Selects(IReadOnlyDictionary<string, string>? labels)
    {
        foreach (var (key, value) in MatchLabels)
            if (labels is null || !labels.TryGetValue(key, out var has) || has != value)
                return false;
        foreach (var requirement in MatchExpressions)
            if (!requirement.Holds(labels))
                return false;
        return true;
    }

    /// <summary>What is wrong with it is found by <c>PolicyReader</c>; here it has to be right.</summary>
    public static LabelSelector Read(JsonObject? selector)
    {
        if (selector is null)
            return Everything;
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in selector["matchLabels"] as JsonObject ?? [])
            labels[key] = value!.GetValue<string>();
        var expressions = new List<LabelRequirement>();
        foreach (var item in selector["matchExpressions"] as JsonArray ?? [])
            expressions.Add(new LabelRequirement(
                item!["key"]!.GetValue<string>(),
                Enum.Parse<LabelOperator>(item["operator"]!.GetValue<string>()),
                [.. (item["values"] as JsonArray ?? []).Select(value => value!.GetValue<string>())]));
        return new LabelSelector(labels, expressions);
    }
}

internal enum LabelOperator
{
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

internal sealed record LabelRequirement(string Key, LabelOperator Operator, IReadOnlyList<string> Values)
{
    public bool Holds(IReadOnlyDictionary<string, string>? labels)
    {
        var value = labels?.GetValueOrDefault(Key);
        return Operator switch
        {
            LabelOperator.In => value is not null && Values.Contains(value),
            LabelOperator.NotIn => value is null || !Values.Contains(value),
            LabelOperator.Exists => value is not null,
            _ => value is null,
        };
    }
}
