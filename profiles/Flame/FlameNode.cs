namespace Premortem.Profiles.Flame;

/// <summary>A function as it was reached by one way.</summary>
internal sealed class FlameNode(string name)
{
    private Dictionary<string, FlameNode>? _callees;

    internal string Name => name;

    internal long Value { get; private set; }

    /// <summary>What the profile that is compared with has.</summary>
    internal long Before { get; private set; }

    internal IReadOnlyCollection<FlameNode> Callees => _callees is null ? [] : _callees.Values;

    internal void Add(long value, bool isBefore)
    {
        if (isBefore)
            Before = unchecked(Before + value);
        else
            Value = unchecked(Value + value);
    }

    internal FlameNode Callee(string callee)
    {
        _callees ??= new Dictionary<string, FlameNode>(1, StringComparer.Ordinal);
        if (!_callees.TryGetValue(callee, out var node))
            _callees.Add(callee, node = new FlameNode(callee));
        return node;
    }
}
