using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Contracts.Policies;

/// <summary>The fields of one object of a document: each is read by name and kind, and what nobody read is unknown.</summary>
/// <param name="unknown">Where unknown fields are told; null: they are errors.</param>
internal sealed class DocumentFields(JsonObject fields, string path, List<FieldProblem> errors, List<FieldProblem>? unknown = null)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>The names that are there, known or not: for an object that is a map.</summary>
    public IEnumerable<string> Names => fields.Select(entry => entry.Key);

    public bool IsThere(string name) => fields[name] is not null;

    /// <summary>Whether unknown fields are only told of, since who wrote the document may be newer.</summary>
    public bool ToleratesUnknown => unknown is not null;

    public void Unknown(string name, string message) => (unknown ?? errors).Add(new FieldProblem(PathOf(name), message));

    public bool HasUnknown => fields.Any(entry => !_known.Contains(entry.Key));

    /// <summary>The path of an entry whose name may hold dots: <c>matchLabels[app.kubernetes.io/name]</c>.</summary>
    public string PathOfKey(string key) => $"{path}[{(key.Length <= 80 ? key : key[..80] + "…")}]";

    public void WrongKey(string key, string message) => errors.Add(new FieldProblem(PathOfKey(key), message));

    public bool Has(string name)
    {
        _known.Add(name);
        return fields[name] is not null;
    }

    /// <summary>A string without a word about it where there is none.</summary>
    public string? Peek(string name) =>
        fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    public bool IsEmptyList(string name) => fields[name] is JsonArray { Count: 0 };

    public string PathOf(string name) => path.Length == 0 ? name : name.Length == 0 ? path : $"{path}.{name}";

    public void Wrong(string name, string message) => errors.Add(new FieldProblem(PathOf(name), message));

    /// <param name="most">The most characters.</param>
    public string? String(string name, bool required = false, int most = int.MaxValue)
    {
        if (!Has(name))
        {
            if (required)
                Wrong(name, "is required");
            return null;
        }
        if (fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String)
        {
            var text = value.GetValue<string>();
            if (text.Length <= most)
                return text;
            Wrong(name, $"has {text.Length} characters, but may have {most} at most");
            return null;
        }
        Wrong(name, $"is {Shown(fields[name])}, but has to be a string");
        return null;
    }

    public int? Integer(string name, int least, int most) => (int?)Long(name, least, most);

    public long? Long(string name, long least, long most)
    {
        if (!Has(name))
            return null;
        if (fields[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number
            && long.TryParse(value.ToJsonString(), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
            && number >= least && number <= most)
            return number;
        Wrong(name, $"is {Shown(fields[name])}, but has to be a whole number from {least} to {most}");
        return null;
    }

    public bool? Boolean(string name)
    {
        if (!Has(name))
            return null;
        if (fields[name] is JsonValue value && value.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
            return fields[name]!.GetValue<bool>();
        Wrong(name, $"is {Shown(fields[name])}, but has to be true or false");
        return null;
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
            return new DocumentFields(child, PathOf(name), errors, unknown);
        Wrong(name, $"is {Shown(fields[name])}, but has to be an object");
        return null;
    }

    /// <summary>The JSON itself, for what is passed on; null where it is no object.</summary>
    public JsonObject? Json(string name, bool required = false) => Object(name, required) is null ? null : fields[name] as JsonObject;

    /// <summary>The objects of a list, each with its own path; null where there is no list.</summary>
    public IReadOnlyList<DocumentFields>? Objects(string name, int most = int.MaxValue)
    {
        if (List(name, most) is not { } list)
            return null;
        var objects = new List<DocumentFields>();
        for (var i = 0; i < list.Count; i++)
            if (list[i] is JsonObject child)
                objects.Add(new DocumentFields(child, $"{PathOf(name)}[{i}]", errors, unknown));
            else
                Wrong($"{name}[{i}]", $"is {Shown(list[i])}, but has to be an object");
        return objects;
    }

    public IReadOnlyList<string> Strings(string name, int most = int.MaxValue)
    {
        var strings = new List<string>();
        if (List(name, most) is { } list)
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
                Unknown(name, Nearest(name) is { } meant
                    ? $"is no field here; did you mean '{meant}'?"
                    : $"is no field here; there are {string.Join(", ", _known.Order(StringComparer.Ordinal))}");
    }

    private JsonArray? List(string name, int most)
    {
        if (!Has(name))
            return null;
        if (fields[name] is JsonArray list)
        {
            if (list.Count <= most)
                return list;
            Wrong(name, $"has {list.Count} entries, but may have {most} at most");
            return null;
        }
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
