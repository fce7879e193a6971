using System.Runtime.InteropServices;
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
    private const int MostNodes = 1_000_000;

    private const int NotWanted = -1;

    private readonly SampleType _type;
    private readonly TopOptions _options;
    private readonly List<FlameNode> _nodes = [new FlameNode(name: 0, nextSibling: -1)];
    private readonly Dictionary<NodeKey, int> _known = [];
    private readonly List<string> _names = ["all"];
    private readonly Dictionary<string, int> _nameNumbers = new(StringComparer.Ordinal);

    private readonly IReadOnlySet<string>? _only;

    private FlameGraph(PprofProfile profile, TopOptions options, IReadOnlySet<string>? only)
    {
        (_options, _only) = (options, only);
        _type = profile.SampleTypes[profile.SampleIndex(options.SampleIndex)];
    }

    /// <summary>How many frames were left out because stacks are too deep or too many.</summary>
    public long LeftOut { get; private set; }

    /// <summary>The first stands for all samples.</summary>
    internal ReadOnlySpan<FlameNode> Nodes => CollectionsMarshal.AsSpan(_nodes);

    internal bool IsDifference => _options.Base is not null;

    internal string Title { get; private set; } = "";

    /// <summary>What is written of it. Values are without sign: what was freed more than taken has no width.</summary>
    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static FlameGraph Of(PprofProfile profile, TopOptions? options = null) => Of(profile, options, only: null);

    /// <param name="only">Each stack is followed to its first function that is none of these; null: to its end.</param>
    internal static FlameGraph Of(PprofProfile profile, TopOptions? options, IReadOnlySet<string>? only)
    {
        ArgumentNullException.ThrowIfNull(profile);
        options ??= new TopOptions();
        var graph = new FlameGraph(profile, options, only);
        if (options.Base is { } before && !profile.SampleTypes.SequenceEqual(before.SampleTypes))
            throw new ArgumentException("the base measures something else: the two cannot be compared");
        graph.Add(profile, isBefore: false);
        if (options.Base is not null)
            graph.Add(options.Base, isBefore: true);
        graph.Title = ReportHeader.Title(profile, graph._type);
        return graph;
    }

    /// <summary>Writes it as one SVG file, which shows, zooms and searches in any browser, and fetches nothing.</summary>
    public void WriteSvg(TextWriter writer) => new FlameSvg(this, writer).Write();

    internal string NameOf(in FlameNode node) => _names[node.Name];

    internal string Unit => _type.Unit;

    internal string Format(long value) => Units.Format(value, _type.Unit, _options.UnitOrAuto);

    private void Add(PprofProfile profile, bool isBefore)
    {
        var view = new StackView(profile, _options.Filters, _options.NoInlines);
        // From 1.
        var names = new int[view.Lines.Length];
        var sampleIndex = profile.SampleIndex(_options.SampleIndex);
        var samples = profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[sampleIndex];
            var stack = view.Of(samples);
            if (value == 0 || stack.IsEmpty)
                continue;
            var node = 0;
            Charge(node, value, isBefore);
            var depth = 0;
            for (var i = stack.Length - 1; i >= 0 && depth >= 0; i--)
            {
                ref var location = ref view.Locations[stack[i]];
                for (var line = Math.Max(1, location.LineCount) - 1; line >= 0; line--)
                {
                    if (++depth > MostFrames || _nodes.Count >= MostNodes)
                    {
                        LeftOut++;
                        continue;
                    }
                    var name = location.LineCount == 0 ? 0 : names[location.FirstLine + line];
                    if (name == 0)
                    {
                        var function = Place.Of(profile, view, location, line, _options.Granularity, _options.TrimPath).Printable();
                        name = _only?.Contains(function) == false ? NotWanted : NumberOf(function);
                        if (location.LineCount > 0)
                            names[location.FirstLine + line] = name;
                    }
                    if (name == NotWanted)
                    {
                        depth = NotWanted;
                        break;
                    }
                    node = Callee(node, name);
                    Charge(node, value, isBefore);
                }
            }
        }
    }

    private void Charge(int node, long value, bool isBefore)
    {
        ref var charged = ref CollectionsMarshal.AsSpan(_nodes)[node];
        if (isBefore)
            charged.Before = unchecked(charged.Before + value);
        else
            charged.Value = unchecked(charged.Value + value);
    }

    private int Callee(int node, int name)
    {
        ref var callee = ref CollectionsMarshal.GetValueRefOrAddDefault(_known, new NodeKey(node, name), out var isKnown);
        if (isKnown)
            return callee;
        callee = _nodes.Count;
        _nodes.Add(new FlameNode(name, _nodes[node].FirstCallee));
        CollectionsMarshal.AsSpan(_nodes)[node].FirstCallee = callee;
        return callee;
    }

    private int NumberOf(string name)
    {
        ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(_nameNumbers, name, out var isKnown);
        if (isKnown)
            return number;
        number = _names.Count;
        _names.Add(name);
        return number;
    }

    // The hash is seeded: that of two numbers in one would be their xor, which hostile profiles make collide.
    private readonly record struct NodeKey(int Caller, int Name)
    {
        public override int GetHashCode() => HashCode.Combine(Caller, Name);
    }
}
