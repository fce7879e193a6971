using System.Globalization;
using System.Text;

namespace Premortem.Cli;

/// <summary>Text of others' made fit for a terminal.</summary>
internal static class Printable
{
    /// <summary>On one line, without what would drive a terminal, and no longer than that.</summary>
    internal static string Of(string? text, int length = 512)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        var printable = new StringBuilder(Math.Min(text.Length, length));
        foreach (var c in text)
        {
            if (printable.Length >= length)
                return printable.Append('…').ToString();
            if (char.IsControl(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                printable.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                printable.Append(c);
        }
        return printable.ToString();
    }
}
