using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Formats;

/// <summary>The frames of a profile by their names: those of one name are one.</summary>
internal sealed class FrameNames(ShownSamples samples, TopOptions options)
{
    private readonly Dictionary<string, int> _numbers = [];
    private readonly List<string> _names = [];
    private readonly int[] _ofLine = new int[samples.View.Lines.Length];
    private readonly int[] _ofLocation = new int[samples.View.Locations.Length];

    internal IReadOnlyList<string> All => _names;

    /// <summary>The frames of the current sample, the outermost first, by their numbers in <see cref="All"/>.</summary>
    internal void Read(List<int> frames)
    {
        frames.Clear();
        for (var i = samples.Stack.Length - 1; i >= 0; i--)
        {
            var index = samples.Stack[i];
            ref var location = ref samples.View.Locations[index];
            for (var line = Math.Max(1, location.LineCount) - 1; line >= 0; line--)
            {
                // From 1, so that 0 is none yet.
                ref var number = ref location.LineCount == 0 ? ref _ofLocation[index] : ref _ofLine[location.FirstLine + line];
                if (number == 0)
                    number = NumberOf(location, line) + 1;
                frames.Add(number - 1);
            }
        }
    }

    private int NumberOf(in LocationEntry location, int line)
    {
        var name = TopTable.Printable(Place.Of(samples.Profile, samples.View, location, line, options.Granularity, options.TrimPath).Printable());
        if (_numbers.TryGetValue(name, out var number))
            return number;
        _names.Add(name);
        _numbers.Add(name, _names.Count - 1);
        return _names.Count - 1;
    }
}
