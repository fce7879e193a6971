using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Premortem.Operator.Records;

/// <summary>Makes names and sentences of watched programs safe to be shown, and to be names and labels of objects.</summary>
internal static class RecordText
{
    private const int MaxName = 253;
    private const int MaxLabel = 63;

    /// <summary>Without what steers a terminal or turns the direction of writing, at most <paramref name="most"/> characters; null where nothing is left.</summary>
    public static string? Clean(string? text, int most)
    {
        if (text is null)
            return null;
        var clean = new StringBuilder(Math.Min(text.Length, most));
        foreach (var rune in text.EnumerateRunes())
        {
            var shown = Rune.GetUnicodeCategory(rune) switch
            {
                UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => new Rune(' '),
                UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => new Rune('?'),
                _ => rune,
            };
            if (clean.Length + shown.Utf16SequenceLength > most - 1)
            {
                clean.Append('…');
                break;
            }
            clean.Append(shown.ToString());
        }
        var result = clean.ToString().Trim();
        return result.Length == 0 ? null : result;
    }

    /// <summary>A label's value: a name that is one already stays as it is, any other gets what tells it from its like.</summary>
    public static string Label(string name)
    {
        var safe = Safe(name, MaxLabel, char.IsAsciiLetterOrDigit, c => c is '-' or '_' or '.');
        if (safe == name && safe.Length > 0)
            return safe;
        var hash = Hash(name);
        safe = Safe(name, MaxLabel - hash.Length - 1, char.IsAsciiLetterOrDigit, c => c is '-' or '_' or '.');
        return safe.Length == 0 ? hash : $"{safe}-{hash}";
    }

    /// <summary>A DNS subdomain from the name of an object and what makes it unique, which is never cut.</summary>
    public static string ObjectName(string name, string unique)
    {
        var safe = Safe(name.ToLowerInvariant(), MaxName - unique.Length - 1, c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c), c => c is '-' or '.');
        return safe.Length == 0 ? unique : $"{safe}-{unique}";
    }

    /// <summary>Ten hex digits that stand for a text.</summary>
    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 5));

    private static string Safe(string name, int most, Func<char, bool> isEdge, Func<char, bool> isInner)
    {
        var safe = new StringBuilder(Math.Min(name.Length, most));
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, most)))
            safe.Append(isEdge(c) || isInner(c) ? c : '-');
        var (start, end) = (0, safe.Length);
        while (start < end && !isEdge(safe[start]))
            start++;
        while (end > start && !isEdge(safe[end - 1]))
            end--;
        return safe.ToString(start, end - start);
    }
}
