using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>The samples that the filters leave, one by one, those of one stack and one set of labels added up; and what a report says above them.</summary>
internal sealed class ShownSamples
{
    private readonly TopOptions _options;
    private readonly SampleCursor _samples;
    private readonly SampleType _type;
    private readonly int _sampleIndex;
    private readonly System.Text.RegularExpressions.Regex? _tagShow;
    private readonly System.Text.RegularExpressions.Regex? _tagHide;
    private Dictionary<string, string>? _units;
    private int[] _stack = [];
    private int _depth;

    internal ShownSamples(PprofProfile profile, TopOptions options)
    {
        _options = options;
        Profile = options.Base is null ? ProfileMerge.Of([profile]) : options.Apply(profile);
        _sampleIndex = Profile.SampleIndex(options.SampleIndex);
        _type = Profile.SampleTypes[_sampleIndex];
        View = new StackView(Profile, options.Filters, options.NoInlines);
        (_tagShow, _tagHide) = (Expression.Of("tagshow", options.Filters.TagShow), Expression.Of("taghide", options.Filters.TagHide));
        _samples = Profile.Samples();
    }

    internal PprofProfile Profile { get; }

    internal StackView View { get; }

    /// <summary>Of the current sample, the innermost frame first.</summary>
    internal ReadOnlySpan<int> Stack => _stack.AsSpan(0, _depth);

    internal long Value => _samples.Values[_sampleIndex];

    internal bool Next()
    {
        while (_samples.Next())
        {
            var stack = View.Of(_samples);
            if (stack.IsEmpty)
                continue;
            _depth = stack.Length;
            if (_stack.Length < _depth)
                _stack = new int[_depth * 2];
            stack.CopyTo(_stack);
            return true;
        }
        return false;
    }

    internal LabelSet Labels()
    {
        var labels = LabelSet.Of(_samples.Labels());
        return _tagShow is null && _tagHide is null
            ? labels
            : labels.Without(key => _tagShow?.IsMatch(key) == false || _tagHide?.IsMatch(key) == true);
    }

    internal string UnitOf(string key) => (_units ??= LabelUnits.Of(Profile)).GetValueOrDefault(key, "");

    internal string Format(long value) => Units.Format(value, _type.Unit, _options.UnitOrAuto);

    internal (double Value, string Unit) Scale(long value) => Units.Scale(value, _type.Unit, _options.UnitOrAuto);

    internal IEnumerable<string> Header() => ReportHeader.Of(Profile, _type, Total(), Format);

    private long Total()
    {
        var (total, difference) = (0L, 0L);
        var tellsBase = View.TellsBase || !_options.RelativePercentages;
        var samples = Profile.Samples();
        while (samples.Next())
        {
            if (_options.RelativePercentages && View.Of(samples).IsEmpty)
                continue;
            var value = samples.Values[_sampleIndex];
            var size = value < 0 ? unchecked(-value) : value;
            total = unchecked(total + size);
            if (tellsBase && samples.HasLabel("pprof::base"u8, "true"u8))
                difference = unchecked(difference + size);
        }
        return difference > 0 ? difference : total;
    }
}
