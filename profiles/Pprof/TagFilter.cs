using System.Globalization;
using System.Text.RegularExpressions;

namespace Premortem.Profiles.Pprof;

/// <summary>What pprof's <c>-tagfocus</c> and <c>-tagignore</c> say of a sample's labels.</summary>
internal sealed partial class TagFilter
{
    private readonly string? _key;
    private readonly Func<long, string, bool>? _range;
    private readonly Regex[] _expressions = [];
    private readonly Dictionary<string, string> _units;

    private TagFilter(string option, string filter, Dictionary<string, string> units)
    {
        _units = units;
        var parts = filter.Split('=', 2);
        if (parts.Length == 2)
            (_key, filter) = (parts[0], parts[1]);
        _range = RangeOf(option, filter);
        if (_range is null)
            _expressions = [.. filter.Split(',').Select(part => Expression.Of(option, part) ?? new Regex(""))];
    }

    /// <exception cref="ArgumentException">It is neither a range nor an expression.</exception>
    internal static TagFilter? Of(string option, string? filter, Dictionary<string, string> units) =>
        string.IsNullOrEmpty(filter) ? null : new TagFilter(option, filter, units);

    internal bool IsMatch(LabelSet labels)
    {
        if (_range is not null)
            return labels.Numbers.Exists(label =>
                (_key is null || label.Key == _key) && label.Values.Exists(value => _range(value.Value, _units.GetValueOrDefault(label.Key, ""))));
        // Of all keys, every expression has to be found; of one, any.
        return _key is null
            ? Array.TrueForAll(_expressions, expression => labels.Texts.Exists(label => label.Values.Exists(text => expression.IsMatch($"{label.Key}:{text}"))))
            : labels.Texts.Exists(label => label.Key == _key && Array.Exists(_expressions, expression => label.Values.Exists(expression.IsMatch)));
    }

    /// <summary>Of <c>32kb</c>, <c>:64kb</c>, <c>4mb:</c> and <c>12kb:64mb</c>; null: it is no range.</summary>
    private static Func<long, string, bool>? RangeOf(string option, string filter)
    {
        var numbers = Number().Matches(filter);
        if (numbers.Count == 0)
            return null;
        var first = numbers[0];
        var (low, unit) = Units.Scale(ValueOf(first), first.Groups[2].Value, first.Groups[2].Value);
        if (numbers.Count == 1)
            return filter == first.Value ? InRange(unit, low, low)
                : filter == first.Value + ":" ? InRange(unit, low, double.PositiveInfinity)
                : filter == ":" + first.Value ? InRange(unit, double.NegativeInfinity, low)
                : null;
        var second = numbers[1];
        if (filter != $"{first.Value}:{second.Value}")
            return null;
        var (high, highUnit) = Units.Scale(ValueOf(second), second.Groups[2].Value, unit);
        return unit == highUnit ? InRange(unit, low, high) : null;

        long ValueOf(Match number) => long.TryParse(number.Groups[1].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new ArgumentException($"{option}: {number.Groups[1].Value} is too large a number");
    }

    private static Func<long, string, bool> InRange(string unit, double low, double high) => (value, from) =>
    {
        var (scaled, scaledUnit) = Units.Scale(value, from, unit);
        return scaledUnit == unit && scaled >= low && scaled <= high;
    };

    [GeneratedRegex("([+-]?[0-9]+)([A-Za-z]+)?")]
    private static partial Regex Number();
}
