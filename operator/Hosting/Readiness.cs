namespace Premortem.Operator.Hosting;

/// <summary>What has to be there before reviews and reports are sent here, in the order in which it comes.</summary>
internal sealed class Readiness
{
    private readonly List<(string Name, Func<string?> Missing)> _parts = [];
    private volatile string? _ending;

    /// <param name="missing">What is missing, in words; null: nothing.</param>
    public void Add(string name, Func<string?> missing)
    {
        lock (_parts)
            _parts.Add((name, missing));
    }

    /// <summary>No more is to be sent here.</summary>
    public void End(string why) => _ending = why;

    public ReadinessReport Read()
    {
        (string Name, Func<string?> Missing)[] parts;
        lock (_parts)
            parts = [.. _parts];
        var isReady = _ending is null;
        var lines = new List<string>();
        foreach (var (name, missing) in parts)
        {
            var what = missing();
            isReady &= what is null;
            lines.Add(what is null ? $"[+] {name}" : $"[-] {name}: {what}");
        }
        if (_ending is { } ending)
            lines.Add($"[-] ending: {ending}");
        return new ReadinessReport(isReady, lines);
    }
}

internal sealed record ReadinessReport(bool IsReady, IReadOnlyList<string> Lines);
