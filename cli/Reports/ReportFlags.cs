using System.CommandLine;
using Premortem.Profiles;

namespace Premortem.Cli.Reports;

/// <summary>
/// What the verbs on profiles have in common, as pprof names it. Each flag is taken in the way of Go's tools and in the way of GNU's, so
/// that what people's fingers know is right.
/// </summary>
internal sealed class ReportFlags
{
    private static readonly string[] Granularities = ["functions", "filefunctions", "files", "lines", "addresses"];

    private readonly List<Option> _all = [];
    private readonly Option<string?> _sampleIndex;
    private readonly Option<bool>? _cumulative;
    private readonly Option<int>? _nodeCount;
    private readonly Option<double>? _nodeFraction;
    private readonly Option<double>? _edgeFraction;
    private readonly Option<bool>? _trim;
    private readonly Option<bool>? _dropNegative;
    private readonly Option<string?>? _trimPath;
    private readonly Option<string?> _focus;
    private readonly Option<string?> _ignore;
    private readonly Option<string?> _hide;
    private readonly Option<string?> _show;
    private readonly Option<string?> _showFrom;
    private readonly Option<string?> _pruneFrom;
    private readonly Option<string?> _tagFocus;
    private readonly Option<string?> _tagIgnore;
    private readonly Option<string?> _tagShow;
    private readonly Option<string?> _tagHide;
    private readonly Option<bool> _relative;
    private readonly Option<bool> _noInlines;
    private readonly Option<string?> _unit;
    private readonly Option<string?> _granularity;
    private readonly Option<bool>[] _granularities;
    private readonly Option<string?>? _base;
    private readonly Option<string?>? _diffBase;
    private readonly Option<bool>? _normalize;
    private readonly int _defaultNodeCount;

    /// <param name="rows">Whether the report has rows that can be ordered and left out.</param>
    /// <param name="bases">Whether another profile can be subtracted by a flag.</param>
    /// <param name="trims">Whether small rows are left out.</param>
    /// <param name="defaultNodeCount">How many rows there are where nobody says.</param>
    internal ReportFlags(bool rows = true, bool bases = true, bool trims = true, int defaultNodeCount = 0)
    {
        _defaultNodeCount = defaultNodeCount;
        if (rows)
            _cumulative = Flag("cum", "Order by what a function and all that it calls hold.");
        _sampleIndex = Text("sample_index", "name", "The sample type to count, by name or number. Default: the profile's own, for a heap profile inuse_space.");
        if (rows && trims)
        {
            _nodeCount = Add(new Option<int>("--nodecount", "-nodecount")
            {
                Description = "How many rows at most; 0: all.",
                HelpName = "n",
                DefaultValueFactory = _ => defaultNodeCount,
            });
            _nodeFraction = Share("nodefraction", "Leave out functions whose cum is below this share of the total.", new TopOptions().NodeFraction);
            _edgeFraction = Share("edgefraction", "Leave out calls below this share of the total.", new TopOptions().EdgeFraction);
            _trim = Flag("trim", "With =false nothing is left out.");
            _trim.DefaultValueFactory = _ => true;
        }
        if (rows)
        {
            _dropNegative = Flag("drop_negative", "Leave out what has become less.");
            _trimPath = Text("trim_path", "paths", "Beginnings of source paths to leave away, with colons between them.");
        }
        _focus = Text("focus", "regex", "Only samples with such a function, file or binary in their stacks.");
        _ignore = Text("ignore", "regex", "No samples with such a function, file or binary in their stacks.");
        _hide = Text("hide", "regex", "Take such frames out of the stacks.");
        _show = Text("show", "regex", "Take all other frames out of the stacks.");
        _showFrom = Text("show_from", "regex", "Let stacks begin at their outermost such frame; samples without one are left out.");
        _pruneFrom = Text("prune_from", "regex", "Let stacks end at their innermost such function.");
        _tagFocus = Text("tagfocus", "filter", "Only samples with such a label: a range (1kb:64kb) or a regex, of all keys or of one (key=...).");
        _tagIgnore = Text("tagignore", "filter", "No samples with such a label.");
        _tagShow = Text("tagshow", "regex", "Tell only labels of such keys.");
        _tagHide = Text("taghide", "regex", "Do not tell labels of such keys.");
        _relative = Flag("relative_percentages", "Shares are of the samples that the filters leave.");
        _noInlines = Flag("noinlines", "Charge inlined functions to the function that they were put into.");
        _unit = Text("unit", "unit", "The unit of all values, such as MB or ms; auto: to each its own. Default: one that fits all.");
        _granularity = Text("granularity", "name", $"What is one row: {string.Join(", ", Granularities)}. Default: functions.");
        _granularities = [.. Granularities.Select(name => Flag(name, $"The same as -granularity={name}."))];
        if (!bases)
            return;
        _base = Text("base", "source", "A profile to subtract, for what has grown since; shares are of what is left.");
        _diffBase = Text("diff_base", "source", "A profile to subtract; shares are of it.");
        _normalize = Flag("normalize", "Scale the profile to the total of the one that is subtracted.");
    }

    internal void AddTo(Command command)
    {
        foreach (var option in _all)
            command.Add(option);
        command.Validators.Add(result =>
        {
            if (_base is not null && result.GetResult(_base) is not null && result.GetResult(_diffBase!) is not null)
                result.AddError("-base and -diff_base are two ways of one thing: give one of them");
            if (_normalize is not null && result.GetValue(_normalize) && result.GetResult(_base!) is null && result.GetResult(_diffBase!) is null)
                result.AddError("-normalize needs -base or -diff_base, whose total the profile is scaled to");
            if (_granularities.Count(option => result.GetValue(option)) + (result.GetValue(_granularity) is null ? 0 : 1) > 1)
                result.AddError("there are several granularities: give one of them");
        });
    }

    /// <summary>What is to be subtracted; null: nothing.</summary>
    internal string? Base(ParseResult parsed) => _base is null ? null : parsed.GetValue(_base) ?? parsed.GetValue(_diffBase!);

    /// <summary>All but the base itself.</summary>
    internal TopOptions Options(ParseResult parsed)
    {
        var trims = _trim is null || parsed.GetValue(_trim);
        return new TopOptions
        {
            Cumulative = Get(_cumulative),
            SampleIndex = parsed.GetValue(_sampleIndex),
            NodeCount = !trims ? 0 : _nodeCount is null ? _defaultNodeCount : Math.Max(0, parsed.GetValue(_nodeCount)),
            NodeFraction = trims && _nodeFraction is not null ? parsed.GetValue(_nodeFraction) : 0,
            EdgeFraction = trims && _edgeFraction is not null ? parsed.GetValue(_edgeFraction) : 0,
            DropNegative = Get(_dropNegative),
            TrimPath = _trimPath is null ? "" : parsed.GetValue(_trimPath) ?? "",
            RelativePercentages = parsed.GetValue(_relative),
            NoInlines = parsed.GetValue(_noInlines),
            Unit = parsed.GetValue(_unit),
            Granularity = GranularityOf(parsed),
            SharesOfBase = _diffBase is not null && parsed.GetValue(_diffBase) is not null,
            Normalize = Get(_normalize),
            Filters = new StackFilters
            {
                Focus = parsed.GetValue(_focus),
                Ignore = parsed.GetValue(_ignore),
                Hide = parsed.GetValue(_hide),
                Show = parsed.GetValue(_show),
                ShowFrom = parsed.GetValue(_showFrom),
                PruneFrom = parsed.GetValue(_pruneFrom),
                TagFocus = parsed.GetValue(_tagFocus),
                TagIgnore = parsed.GetValue(_tagIgnore),
                TagShow = parsed.GetValue(_tagShow),
                TagHide = parsed.GetValue(_tagHide),
            },
        };

        bool Get(Option<bool>? option) => option is not null && parsed.GetValue(option);
    }

    private Granularity GranularityOf(ParseResult parsed)
    {
        var index = Array.FindIndex(_granularities, parsed.GetValue);
        if (parsed.GetValue(_granularity) is { } name)
            index = Array.IndexOf(Granularities, name);
        else if (index < 0)
            index = 0;
        return index >= 0 ? (Granularity)index : throw VerbException.Usage($"-granularity is one of {string.Join(", ", Granularities)}");
    }

    private Option<bool> Flag(string name, string description) => Add(new Option<bool>(Names(name)[0], Names(name)[1..]) { Description = description });

    private Option<string?> Text(string name, string value, string description) =>
        Add(new Option<string?>(Names(name)[0], Names(name)[1..]) { Description = description, HelpName = value });

    private Option<double> Share(string name, string description, double fallback)
    {
        var option = new Option<double>(Names(name)[0], Names(name)[1..])
        {
            Description = description,
            HelpName = "f",
            DefaultValueFactory = _ => fallback,
        };
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<double>() is not (>= 0 and <= 1))
                result.AddError($"-{name} is a share, from 0 to 1");
        });
        return Add(option);
    }

    private T Add<T>(T option) where T : Option
    {
        _all.Add(option);
        return option;
    }

    private static string[] Names(string name) => name.Contains('_', StringComparison.Ordinal)
        ? ["--" + name.Replace('_', '-'), "-" + name, "--" + name, "-" + name.Replace('_', '-')]
        : ["--" + name, "-" + name];
}
