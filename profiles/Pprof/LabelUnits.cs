namespace Premortem.Profiles.Pprof;

/// <summary>The unit of each numeric label: the first that a sample gives, else what the key stands for.</summary>
internal static class LabelUnits
{
    internal static Dictionary<string, string> Of(PprofProfile profile)
    {
        var units = new Dictionary<string, string>();
        var samples = profile.Samples();
        while (samples.Next())
            foreach (var label in samples.Labels())
                if (label.Text is null && (label.Number != 0 || label.Unit.Length > 0) && units.GetValueOrDefault(label.Key) is null or "")
                    units[label.Key] = label.Unit;
        foreach (var (key, unit) in units)
            if (unit.Length == 0)
                units[key] = key is "alignment" or "request" ? "bytes" : key;
        return units;
    }
}
