using System.Text.RegularExpressions;

namespace Premortem.Contracts.Policies;

/// <summary>Checks a Kubernetes LabelSelector by the API server's own rules: one that it would refuse must not come as far as a watch.</summary>
internal static partial class SelectorReader
{
    private const int MostLabels = 64, MostExpressions = 32, MostValues = 64;
    private const string KeyForm = "but has to be a label's key: at most 63 letters, digits, '-', '_' and '.', with a DNS name and '/' before it where it has a prefix";
    private const string ValueForm = "but has to be a label's value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";

    public static void Check(DocumentFields spec, string name, bool required)
    {
        if (spec.Object(name) is not { } selector)
        {
            if (required && !spec.IsThere(name))
                spec.Wrong(name, "is required: say which pods by their labels; {} means all");
            return;
        }
        if (selector.Object("matchLabels") is { } labels)
            CheckLabels(selector, labels);
        foreach (var expression in selector.Objects("matchExpressions", MostExpressions) ?? [])
            CheckExpression(expression);
        selector.NoOthers();
    }

    private static void CheckLabels(DocumentFields selector, DocumentFields labels)
    {
        var keys = labels.Names.ToList();
        if (keys.Count > MostLabels)
        {
            selector.Wrong("matchLabels", $"has {keys.Count} labels, but may have {MostLabels} at most");
            return;
        }
        foreach (var key in keys)
            if (!IsKey(key))
                labels.WrongKey(key, $"is no label, {KeyForm}");
            else if (labels.Peek(key) is not { } value)
                labels.WrongKey(key, "has to be a string: put numbers and true in quotes");
            else if (!IsValue(value))
                labels.WrongKey(key, $"is '{Cut(value)}', {ValueForm}");
    }

    private static void CheckExpression(DocumentFields expression)
    {
        if (expression.String("key", required: true) is { } key && !IsKey(key))
            expression.Wrong("key", $"is '{Cut(key)}', {KeyForm}");
        var @operator = expression.String("operator", required: true);
        var values = expression.Strings("values", MostValues);
        switch (@operator)
        {
            case null:
                break;
            case "In" or "NotIn":
                if (!expression.IsThere("values") || expression.IsEmptyList("values"))
                    expression.Wrong("values", $"is empty, but {@operator} needs at least one");
                break;
            case "Exists" or "DoesNotExist":
                if (expression.IsThere("values") && !expression.IsEmptyList("values"))
                    expression.Wrong("values", $"goes with In and NotIn, not with {@operator}");
                break;
            default:
                expression.Wrong("operator", $"is '{Cut(@operator)}', but has to be one of In, NotIn, Exists, DoesNotExist");
                break;
        }
        for (var i = 0; i < values.Count; i++)
            if (!IsValue(values[i]))
                expression.Wrong($"values[{i}]", $"is '{Cut(values[i])}', {ValueForm}");
        expression.NoOthers();
    }

    private static bool IsKey(string key)
    {
        var slash = key.IndexOf('/');
        return slash < 0 ? Name().IsMatch(key) : Name().IsMatch(key[(slash + 1)..]) && slash <= 253 && Prefix().IsMatch(key[..slash]);
    }

    private static bool IsValue(string value) => value.Length == 0 || Name().IsMatch(value);

    private static string Cut(string text) => text.Length <= 80 ? text : text[..80] + "…";

    [GeneratedRegex(@"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z", RegexOptions.NonBacktracking)]
    private static partial Regex Prefix();
}
