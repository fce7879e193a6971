using System.Text.RegularExpressions;

namespace Premortem.Profiles.Pprof;

/// <summary>Regular expressions as users of pprof write them, matched without backtracking: in linear time.</summary>
internal static class Expression
{
    /// <summary>The expression of an option; null where it is not set.</summary>
    /// <exception cref="ArgumentException">It cannot be read.</exception>
    internal static Regex? Of(string option, string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        try
        {
            return new Regex(text.Replace("(?P<", "(?<", StringComparison.Ordinal), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"{option}: '{text}' is no regular expression: {e.Message}");
        }
    }
}
