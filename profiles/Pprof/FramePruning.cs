using System.Text.RegularExpressions;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// What a profile's <c>drop_frames</c> and <c>keep_frames</c> leave of its stacks. A frame that is dropped takes with it all that it
/// calls; frames above the first that is kept stay, so that no stack vanishes. The places and rules are pprof's.
/// </summary>
internal sealed partial class FramePruning
{
    private const int MaxRepeats = 1000;

    private readonly Regex _drop;
    private readonly Regex? _keep;
    private readonly Dictionary<int, bool> _verdicts = [];

    private FramePruning(Regex drop, Regex? keep) => (_drop, _keep) = (drop, keep);

    /// <summary>What became of a location.</summary>
    internal enum Fate : byte
    {
        Kept,

        /// <summary>Some of its inlined frames are gone, and all that they call.</summary>
        Shortened,

        /// <summary>It is gone, and all that it calls.</summary>
        Dropped,
    }

    /// <summary>The pruning that the profile asks for; null: none, or with an expression that cannot be read.</summary>
    internal static FramePruning? Of(PprofProfile profile)
    {
        if (profile.DropFrames.Length == 0 || Compile(profile.DropFrames) is not { } drop)
            return null;
        var keep = profile.KeepFrames.Length == 0 ? null : Compile(profile.KeepFrames);
        return keep is null && profile.KeepFrames.Length > 0 ? null : new FramePruning(drop, keep);
    }

    /// <summary>Shortens the locations in place, and says what became of each.</summary>
    internal Fate[] Apply(PprofProfile profile, LocationEntry[] locations)
    {
        var fates = new Fate[locations.Length];
        for (var i = 0; i < locations.Length; i++)
        {
            var location = locations[i];
            var line = location.LineCount - 1;
            while (line >= 0 && !IsDropped(profile, profile.Lines[location.FirstLine + line].Function))
                line--;
            if (line < 0)
                continue;
            if (line == location.LineCount - 1)
            {
                fates[i] = Fate.Dropped;
                continue;
            }
            fates[i] = Fate.Shortened;
            locations[i] = location with { FirstLine = location.FirstLine + line + 1, LineCount = location.LineCount - line - 1 };
        }
        return fates;
    }

    /// <summary>What is left of a stack, whose innermost frame is the first.</summary>
    internal static ReadOnlySpan<int> Cut(ReadOnlySpan<int> stack, Fate[] fates)
    {
        var keptAny = false;
        for (var i = stack.Length - 1; i >= 0; i--)
        {
            var fate = fates[stack[i]];
            if (fate == Fate.Kept)
                keptAny = true;
            else if (keptAny)
                return stack[(fate == Fate.Dropped ? i + 1 : i)..];
        }
        return stack;
    }

    /// <summary>A name without what stands in the way of matching: a leading dot, and its list of arguments.</summary>
    internal static string Simplify(string name)
    {
        if (name.StartsWith('.'))
            name = name[1..];
        for (var i = name.IndexOf('('); i >= 0; i = name.IndexOf('(', i + 1))
        {
            const string anonymous = "(anonymous namespace)";
            const string call = "operator()";
            if (name.AsSpan(i).StartsWith(anonymous, StringComparison.Ordinal))
                i += anonymous.Length - 1;
            else if (!name.AsSpan(0, i).EndsWith(call.AsSpan(0, call.Length - 2), StringComparison.Ordinal) || !name.AsSpan(i).StartsWith("()", StringComparison.Ordinal))
                return name[..i];
        }
        return name;
    }

    private bool IsDropped(PprofProfile profile, int function)
    {
        if (function < 0)
            return false;
        var name = profile.Functions[function].Name;
        if (_verdicts.TryGetValue(name, out var verdict))
            return verdict;
        var text = Simplify(profile.StringAt(name));
        // A function without a name is never dropped.
        return _verdicts[name] = profile.Utf8At(name).Length > 0 && _drop.IsMatch(text) && _keep?.IsMatch(text) != true;
    }

    /// <summary>
    /// The expression was written for RE2 and comes from a stranger: it is matched without backtracking, in linear time, and
    /// repetitions that RE2 would refuse are refused here too.
    /// </summary>
    private static Regex? Compile(string expression)
    {
        var repeats = 1L;
        foreach (var match in Repetition().EnumerateMatches(expression))
        {
            var count = expression.AsSpan(match.Index + 1, match.Length - 1);
            var comma = count.IndexOf(',');
            repeats *= Math.Max(1, Math.Max(Number(comma < 0 ? count : count[..comma]), comma < 0 ? 0 : Number(count[(comma + 1)..])));
            if (repeats > MaxRepeats)
                return null;
        }
        try
        {
            return new Regex(
                $"^({expression.Replace("(?P<", "(?<", StringComparison.Ordinal)})\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }

        static long Number(ReadOnlySpan<char> digits) => digits.Length switch
        {
            0 => 0,
            > 4 => MaxRepeats + 1,
            _ => long.Parse(digits, System.Globalization.CultureInfo.InvariantCulture),
        };
    }

    [GeneratedRegex(@"\{[0-9]+(,[0-9]*)?")]
    private static partial Regex Repetition();
}
