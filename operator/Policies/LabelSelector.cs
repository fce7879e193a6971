using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Operator.Policies;

/// <summary>A Kubernetes LabelSelector: every part has to hold. An empty one selects everything.</summary>
internal sealed record LabelSelector(IReadOnlyDictionary<string, string> MatchLabels, IReadOnlyList<LabelRequirement> MatchExpressions)
{
    public static LabelSelector Everything { get; } = new(new Dictionary<string, string>(), []);

    /// <summary>No label can both be there and not.</summary>
    public static LabelSelector Nothing { get; } = new(new Dictionary<string, string>(), [new("", LabelOperator.Exists, []), new("", LabelOperator.DoesNotExist, [])]);

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

    /// <summary>
    /// Null: it cannot be read, and nobody knows what it means. What is wrong with it is said by <see cref="Contracts.Policies.PolicyReader"/>.
    /// </summary>
    public static LabelSelector? TryRead(JsonNode? selector)
    {
        if (selector is not JsonObject { } fields)
            return null;
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        if (fields["matchLabels"] is { } wanted)
        {
            if (wanted is not JsonObject map)
                return null;
            foreach (var (key, node) in map)
            {
                if (Text(node) is not { } value)
                    return null;
                labels[key] = value;
            }
        }
        var expressions = new List<LabelRequirement>();
        if (fields["matchExpressions"] is { } items)
        {
            if (items is not JsonArray list)
                return null;
            foreach (var item in list)
            {
                if (TryReadRequirement(item as JsonObject) is not { } requirement)
                    return null;
                expressions.Add(requirement);
            }
        }
        return new LabelSelector(labels, expressions);
    }

    private static LabelRequirement? TryReadRequirement(JsonObject? fields)
    {
        if (Text(fields?["key"]) is not { } key)
            return null;
        LabelOperator? @operator = Text(fields!["operator"]) switch
        {
            "In" => LabelOperator.In,
            "NotIn" => LabelOperator.NotIn,
            "Exists" => LabelOperator.Exists,
            "DoesNotExist" => LabelOperator.DoesNotExist,
            _ => null,
        };
        var values = (fields["values"] as JsonArray ?? []).Select(Text).OfType<string>().ToList();
        return @operator is { } known ? new LabelRequirement(key, known, values) : null;
    }

    private static string? Text(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
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
