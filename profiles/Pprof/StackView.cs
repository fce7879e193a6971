using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// A profile's stacks as its own <c>drop_frames</c> and the user's filters leave them. What a filter means for a location is worked out
/// once; stacks are cut as they are walked. Order and rules are pprof's.
/// </summary>
internal sealed class StackView
{
    private readonly FramePruning.Fate[]? _fates;
    private readonly Verdict[]? _focus;
    private readonly bool[]? _hidden;
    private readonly bool[]? _showFrom;
    private readonly bool[]? _pruneFrom;
    private readonly TagFilter? _tagFocus;
    private readonly TagFilter? _tagIgnore;
    private int[] _stack = [];

    /// <exception cref="ArgumentException">A filter cannot be read.</exception>
    internal StackView(PprofProfile profile, StackFilters filters, bool noInlines = false)
    {
        (Locations, Lines) = (profile.Locations, profile.Lines);
        var pruning = FramePruning.Of(profile);
        var isPlain = ReferenceEquals(filters, StackFilters.None) || filters == StackFilters.None;
        if (pruning is not null || noInlines || !isPlain)
            Locations = [.. Locations];
        _fates = pruning?.Apply(profile, Locations);
        if (!isPlain)
        {
            var ignore = Match(profile, "ignore", filters.Ignore);
            var focus = Match(profile, "focus", filters.Focus);
            var (hide, show) = (Match(profile, "hide", filters.Hide), Match(profile, "show", filters.Show));
            var (showFrom, pruneFrom) = (Match(profile, "show_from", filters.ShowFrom), Expression.Of("prune_from", filters.PruneFrom));
            if (focus is not null || ignore is not null)
                _focus = Array.ConvertAll(Locations, location => VerdictOf(location, focus, ignore));
            if (hide is not null || show is not null)
                _hidden = TakeOut(hide, show);
            if (showFrom is not null)
                _showFrom = CutAbove(showFrom);
            if (pruneFrom is not null)
                _pruneFrom = CutBelow(profile, pruneFrom);
            var units = filters.TagFocus is null && filters.TagIgnore is null ? [] : LabelUnits.Of(profile);
            _tagFocus = TagFilter.Of("tagfocus", filters.TagFocus, units);
            _tagIgnore = TagFilter.Of("tagignore", filters.TagIgnore, units);
            TellsBase = Expression.Of("tagshow", filters.TagShow)?.IsMatch(ProfileMerge.BaseLabel) != false
                && Expression.Of("taghide", filters.TagHide)?.IsMatch(ProfileMerge.BaseLabel) != true;
        }
        if (noInlines)
            foreach (ref var location in Locations.AsSpan())
                if (location.LineCount > 1)
                    location = location with { FirstLine = location.FirstLine + location.LineCount - 1, LineCount = 1 };
    }

    private enum Verdict : byte
    {
        None,
        Focused,
        Ignored,
    }

    /// <summary>Whether the label that marks a subtracted sample is one that the filters leave: without it, shares are not of the base.</summary>
    internal bool TellsBase { get; } = true;

    internal LocationEntry[] Locations { get; }

    internal LineEntry[] Lines { get; private set; }

    /// <summary>The current sample's stack, the innermost frame first; empty where the sample is not looked at.</summary>
    internal ReadOnlySpan<int> Of(SampleCursor sample)
    {
        var stack = sample.Locations;
        if (_fates is not null)
            stack = FramePruning.Cut(stack, _fates);
        if (_focus is not null && !IsFocused(stack))
            return [];
        if (_hidden is not null)
            stack = WithoutHidden(stack);
        if (_showFrom is not null)
        {
            var outermost = stack.Length - 1;
            while (outermost >= 0 && !_showFrom[stack[outermost]])
                outermost--;
            stack = stack[..(outermost + 1)];
        }
        if (stack.Length > 0 && (_tagFocus is not null || _tagIgnore is not null))
        {
            var labels = LabelSet.Of(sample.Labels());
            if (_tagFocus?.IsMatch(labels) == false || _tagIgnore?.IsMatch(labels) == true)
                return [];
        }
        for (var i = 0; _pruneFrom is not null && i < stack.Length; i++)
            if (_pruneFrom[stack[i]])
                return stack[i..];
        return stack;
    }

    private static FrameMatch? Match(PprofProfile profile, string option, string? expression) =>
        Expression.Of(option, expression) is { } regex ? new FrameMatch(profile, regex) : null;

    private Verdict VerdictOf(LocationEntry location, FrameMatch? focus, FrameMatch? ignore)
    {
        var lines = LinesOf(location);
        return ignore?.FindsAny(location, lines) == true ? Verdict.Ignored
            : focus is null || focus.FindsAny(location, lines) ? Verdict.Focused
            : Verdict.None;
    }

    private ReadOnlySpan<LineEntry> LinesOf(in LocationEntry location) => Lines.AsSpan(location.FirstLine, location.LineCount);

    private bool IsFocused(ReadOnlySpan<int> stack)
    {
        var isFocused = false;
        foreach (var location in stack)
        {
            if (_focus![location] == Verdict.Ignored)
                return false;
            isFocused |= _focus[location] == Verdict.Focused;
        }
        return isFocused;
    }

    private ReadOnlySpan<int> WithoutHidden(ReadOnlySpan<int> stack)
    {
        if (_stack.Length < stack.Length)
            _stack = new int[stack.Length * 2];
        var length = 0;
        foreach (var location in stack)
            if (!_hidden![location])
                _stack[length++] = location;
        return _stack.AsSpan(0, length);
    }

    /// <summary>Takes frames out of the locations; says which locations are gone with them.</summary>
    private bool[] TakeOut(FrameMatch? hide, FrameMatch? show)
    {
        var hidden = new bool[Locations.Length];
        var lines = new List<LineEntry>(Lines.Length);
        for (var i = 0; i < Locations.Length; i++)
        {
            ref var location = ref Locations[i];
            var first = lines.Count;
            lines.AddRange(LinesOf(location));
            if (hide is not null && hide.FindsAny(location, LinesOf(location)))
            {
                var isWhole = hide.FindsBinary(location);
                Remove(lines, first, line => isWhole || hide.Finds(line));
                hidden[i] = lines.Count == first;
            }
            if (show is not null)
            {
                if (!show.FindsBinary(location))
                    Remove(lines, first, line => line.Function >= 0 && !show.Finds(line));
                hidden[i] |= lines.Count == first;
            }
            location = location with { FirstLine = first, LineCount = lines.Count - first };
        }
        Lines = [.. lines];
        return hidden;

        static void Remove(List<LineEntry> lines, int first, Predicate<LineEntry> isGone)
        {
            var kept = first;
            for (var i = first; i < lines.Count; i++)
                if (!isGone(lines[i]))
                    lines[kept++] = lines[i];
            CollectionsMarshal.SetCount(lines, kept);
        }
    }

    private bool[] CutAbove(FrameMatch showFrom)
    {
        var matches = new bool[Locations.Length];
        for (var i = 0; i < Locations.Length; i++)
        {
            ref var location = ref Locations[i];
            matches[i] = showFrom.FindsBinary(location);
            for (var line = location.LineCount - 1; line >= 0 && !matches[i]; line--)
                if (showFrom.Finds(Lines[location.FirstLine + line]))
                {
                    matches[i] = true;
                    location = location with { LineCount = line + 1 };
                }
        }
        return matches;
    }

    private bool[] CutBelow(PprofProfile profile, Regex pruneFrom)
    {
        var matches = new bool[Locations.Length];
        for (var i = 0; i < Locations.Length; i++)
        {
            ref var location = ref Locations[i];
            for (var line = 0; line < location.LineCount && !matches[i]; line++)
                if (Lines[location.FirstLine + line].Function is var function and >= 0
                    && profile.StringAt(profile.Functions[function].Name) is { Length: > 0 } name
                    && pruneFrom.IsMatch(FramePruning.Simplify(name)))
                {
                    matches[i] = true;
                    location = location with { FirstLine = location.FirstLine + line, LineCount = location.LineCount - line };
                }
        }
        return matches;
    }
}
