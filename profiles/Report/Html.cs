using System.Globalization;
using System.Text;

namespace Premortem.Profiles.Report;

/// <summary>Strings that strangers chose, as HTML that shows them and nothing else.</summary>
internal static class Html
{
    /// <summary>The namespace of what is drawn; nothing is fetched from there.</summary>
    internal const string SvgNamespace = "http://www.w3.org/2000/svg";

    private const int Longest = 1000;

    /// <summary>
    /// Encodes a text for an element or a quoted attribute. What does not show, or changes what other characters look like, is
    /// shown as a picture or a number; what is too long to be a name is cut.
    /// </summary>
    internal static string Encode(string? text, int longest = Longest) => text is null ? "" : Show(text, longest, encodes: true);

    /// <summary>The same without the encoding, for where a text is no HTML.</summary>
    internal static string Visible(string text, int longest) => Show(text, longest, encodes: false);

    private static string Show(string text, int longest, bool encodes)
    {
        var html = new StringBuilder(Math.Min(text.Length, longest) + 16);
        var cut = text.Length > longest;
        foreach (var rune in (cut ? text.AsSpan(0, longest) : text).EnumerateRunes())
            _ = rune.Value switch
            {
                '&' when encodes => html.Append("&amp;"),
                '<' when encodes => html.Append("&lt;"),
                '>' when encodes => html.Append("&gt;"),
                '"' when encodes => html.Append("&quot;"),
                '\'' when encodes => html.Append("&#39;"),
                < 0x20 => html.Append((char)(0x2400 + rune.Value)),
                0x7F => html.Append('␡'),
                _ when Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                    or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned =>
                    html.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}"),
                _ => html.Append(rune.ToString()),
            };
        return cut ? html.Append('…').ToString() : html.ToString();
    }

    /// <summary>A link to a file beside the page where the name is one of a file and no more; else the name alone.</summary>
    internal static string FileLink(string name) =>
        name.Length is > 0 and < 200 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
            ? $"<a href=\"{name}\">{name}</a>"
            : Encode(name);
}
