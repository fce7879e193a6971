namespace Premortem.Profiles.Pprof;

/// <summary>A sample's labels by their keys, in the order in which the keys first appear.</summary>
internal sealed class LabelSet
{
    private LabelSet()
    {
    }

    internal List<(string Key, List<string> Values)> Texts { get; } = [];

    internal List<(string Key, List<(long Value, string Unit)> Values)> Numbers { get; } = [];

    internal static LabelSet Of(List<SampleLabel> labels)
    {
        var set = new LabelSet();
        foreach (var label in labels)
        {
            if (label.Text is not null)
                Values(set.Texts, label.Key).Add(label.Text);
            else if (label.Number != 0 || label.Unit.Length > 0)
                Values(set.Numbers, label.Key).Add((label.Number, label.Unit));
        }
        return set;
    }

    internal LabelSet Without(Predicate<string> isGone)
    {
        Texts.RemoveAll(label => isGone(label.Key));
        Numbers.RemoveAll(label => isGone(label.Key));
        return this;
    }

    private static List<T> Values<T>(List<(string Key, List<T> Values)> labels, string key)
    {
        foreach (var label in labels)
            if (label.Key == key)
                return label.Values;
        var values = new List<T>();
        labels.Add((key, values));
        return values;
    }
}
