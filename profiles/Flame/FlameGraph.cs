using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Flame;

/// <summary>
/// A profile's stacks as one picture: every function as wide as what is held by way of it, above those that call it. With a base, as wide
/// as it is now, and coloured by what has become of it.
/// </summary>
public sealed class FlameGraph
{
    // A stack may be a million frames deep: what is shown is its outermost part.
    internal const int MostFrames = 400;

    // Each node takes some memory, and a hostile profile has as many as it has frames.
    private const int MostNodes = 2_000_000;

    private readonly SampleType _type;
    private readonly TopOptions _options;
    private int _nodes;

    private FlameGraph(PprofProfile profile, TopOptions options)
    {
        _options = options;
        _type = profile.SampleTypes[profile.SampleIndex(options.SampleIndex)];
    }

    /// <summary>How many frames were left out because stacks are too deep or too many.</summary>
    public long LeftOut { get; private set; }

    internal FlameNode Root { get; } = new("all");

    internal bool IsDifference => _options.Base is not null;

    internal string Title { get; private set; } = "";

    /// <summary>What is written of it. Values are without sign: what was freed more than taken has no width.</summary>
    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static FlameGraph Of(PprofProfile profile, TopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        options ??= new TopOptions();
        var graph = new FlameGraph(profile, options);
        if (options.Base is { } before && !profile.SampleTypes.SequenceEqual(before.SampleTypes))
            throw new ArgumentException("the base measures something else: the two cannot be compared");
        graph.Add(profile, isBefore: false);
        if (options.Base is not null)
            graph.Add(options.Base, isBefore: true);
        var file = profile.Mappings is [var main, ..] && Place.FileOf(main) is { Length: > 0 } path ? TopTable.BaseName(path) + ", " : "";
        graph.Title = file + graph._type.Type;
        return graph;
    }

    /// <summary>Writes it as one SVG file, which shows, zooms and searches in any browser, and fetches nothing.</summary>
    public void WriteSvg(TextWriter writer) => new FlameSvg(this, writer).Write();

    internal string Format(long value) => Units.Format(value, _type.Unit, _options.UnitOrAuto);

    private void Add(PprofProfile profile, bool isBefore)
    {
        var view = new StackView(profile, _options.Filters, _options.NoInlines);
        var names = new string?[view.Lines.Length];
        var sampleIndex = profile.SampleIndex(_options.SampleIndex);
        var samples = profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[sampleIndex];
            var stack = view.Of(samples);
            if (value == 0 || stack.IsEmpty)
                continue;
            var node = Root;
            node.Add(value, isBefore);
            var depth = 0;
            for (var i = stack.Length - 1; i >= 0; i--)
            {
                ref var location = ref view.Locations[stack[i]];
                for (var line = Math.Max(1, location.LineCount) - 1; line >= 0; line--)
                {
                    if (++depth > MostFrames || _nodes >= MostNodes)
                    {
                        LeftOut++;
                        continue;
                    }
                    var name = location.LineCount == 0 ? NameOf(location, line) : names[location.FirstLine + line] ??= NameOf(location, line);
                    var before = node.Callees.Count;
                    var callee = node.Callee(name);
                    _nodes += node.Callees.Count - before;
                    node = callee;
                    node.Add(value, isBefore);
                }
            }
        }

        string NameOf(in LocationEntry location, int line) =>
            Place.Of(profile, view, location, line, _options.Granularity, _options.TrimPath).Printable();
    }
}
