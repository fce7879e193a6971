using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Contracts.Policies;

/// <summary>The fields of one object of a document: each is read by name and kind, and what nobody read is unknown.</summary>
internal sealed class DocumentFields(JsonObject fields, string path, List<FieldProblem> errors)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public bool Has(string name)
    {
        _known.Add(name);
        return fields[name] is not null;
    }

    public bool IsEmptyList(string name) => fields[name] is JsonArray { Count: 0 };

    public string PathOf(string name) => path.Length == 0 ? name : $"{path}.{name}";

    public void Wrong(string name, string message) => errors.Add(new FieldProblem(PathOf(name), message));

    public string? String(string name, bool required = false)
    {
        if (!Has(name))
        {
            if (required)
                Wrong(name, "is required");
            return null;
        }
        if (fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String)
            return value.GetValue<string>();
        Wrong(name, $"is {Shown(fields[name])}, but has to be a string");
        return null;
    }

    public int? Integer(string name, int least, int most)
    {
        if (!Has(name))
            return null;
        if (fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number
            && int.TryParse(value.ToJsonString(), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
            && number >= least && number <= most)
            return number;
        Wrong(name, $"is {Shown(fields[name])}, but has to be a whole number from {least} to {most}");
        return null;
    }

    public bool Boolean(string name)
    {
        if (!Has(name))
            return false;
        if (fields[name] is JsonValue value && value.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
            return fields[name]!.GetValue<bool>();
        Wrong(name, $"is {Shown(fields[name])}, but has to be true or false");
        return false;
    }

    public TimeSpan? Duration(string name, TimeSpan least, TimeSpan most, bool required = false)
    {
        if (String(name, required) is not { } text)
            return null;
        if (Durations.TryParse(text, out var duration) && duration >= least && duration <= most)
            return duration;
        Wrong(name, $"is '{text}', but has to be a duration like 2s, 90s or 1m30s, from {Durations.Format(least)} to {Durations.Format(most)}");
        return null;
    }

    /// <summary>A number of bytes: a quantity, as a string or as a plain number.</summary>
    public long? Bytes(string name, long least)
    {
        if (Scalar(name) is not { } text)
            return null;
        if (Quantity.TryParse(text, out var bytes) && bytes >= least)
            return bytes;
        Wrong(name, $"is '{text}', but has to be a quantity like 512Mi or 2Gi, at least {Quantity.Format(least)}");
        return null;
    }

    /// <summary>A string or a plain number, as text.</summary>
    public string? Scalar(string name, bool required = false)
    {
        if (Has(name) && fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number)
            return value.ToJsonString();
        return String(name, required);
    }

    public T? Enum<T>(string name)
        where T : struct, Enum
    {
        if (String(name) is not { } text)
            return null;
        // By name alone: Enum.Parse would take numbers and lists too.
        foreach (var value in System.Enum.GetValues<T>())
            if (value.ToString() == text)
                return value;
        Wrong(name, $"is '{text}', but has to be one of {string.Join(", ", System.Enum.GetNames<T>())}");
        return null;
    }

    public DocumentFields? Object(string name, bool required = false)
    {
        if (!Has(name))
        {
            if (required)
                Wrong(name, "is required");
            return null;
        }
        if (fields[name] is JsonObject child)
            return new DocumentFields(child, PathOf(name), errors);
        Wrong(name, $"is {Shown(fields[name])}, but has to be an object");
        return null;
    }

    /// <summary>The objects of a list, each with its own path; null where there is no list.</summary>
    public IReadOnlyList<DocumentFields>? Objects(string name)
    {
        if (List(name) is not { } list)
            return null;
        var objects = new List<DocumentFields>();
        for (var i = 0; i < list.Count; i++)
            if (list[i] is JsonObject child)
                objects.Add(new DocumentFields(child, $"{PathOf(name)}[{i}]", errors));
            else
                Wrong($"{name}[{i}]", $"is {Shown(list[i])}, but has to be an object");
        return objects;
    }

    public IReadOnlyList<string> Strings(string name)
    {
        var strings = new List<string>();
        if (List(name) is { } list)
            for (var i = 0; i < list.Count; i++)
                if (list[i] is JsonValue value && value.GetValueKind() == JsonValueKind.String)
                    strings.Add(value.GetValue<string>());
                else
                    Wrong($"{name}[{i}]", $"is {Shown(list[i])}, but has to be a string");
        return strings;
    }

    /// <summary>The one field of <paramref name="kinds"/> that is there; an error where it is none or several.</summary>
    public string? ExactlyOneOf(params ReadOnlySpan<string> kinds)
    {
        var found = new List<string>();
        foreach (var kind in kinds)
            if (Has(kind))
                found.Add(kind);
        if (found.Count == 1)
            return found[0];
        var allowed = string.Join(", ", kinds!);
        errors.Add(new FieldProblem(path, found.Count == 0
            ? $"needs exactly one of {allowed}, and has none"
            : $"needs exactly one of {allowed}, and has {string.Join(" and ", found)}"));
        return null;
    }

    /// <summary>Fields that are legal and mean nothing to this reader.</summary>
    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            _known.Add(name);
    }

    /// <summary>Reports every field that nobody has read.</summary>
    public void NoOthers()
    {
        foreach (var (name, _) in fields)
            if (!_known.Contains(name))
                Wrong(name, Nearest(name) is { } meant
                    ? $"is no field here; did you mean '{meant}'?"
                    : $"is no field here; there are {string.Join(", ", _known.Order(StringComparer.Ordinal))}");
    }

    private JsonArray? List(string name)
    {
        if (!Has(name))
            return null;
        if (fields[name] is JsonArray list)
            return list;
        Wrong(name, $"is {Shown(fields[name])}, but has to be a list");
        return null;
    }

    private string? Nearest(string name) => _known
        .Select(known => (known, Distance: Distance(known.ToUpperInvariant(), name.ToUpperInvariant())))
        .Where(pair => pair.Distance <= Math.Max(1, name.Length / 3))
        .OrderBy(pair => pair.Distance)
        .Select(pair => pair.known)
        .FirstOrDefault();

    private static int Distance(string a, string b)
    {
        if (b.Length > 64)
            return int.MaxValue;
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[^1];
    }

    private static string Shown(JsonNode? node) => node switch
    {
        null => "empty",
        JsonObject => "an object",
        JsonArray => "a list",
        _ when node.ToJsonString() is { Length: <= 60 } text => text,
        _ => "a long value",
    };
}
