namespace Premortem.Profiles.Flame;

/// <summary>A function as it was reached by one way. Callees are a list through the nodes: a profile may have a million of them.</summary>
/// <param name="name">The number of its name.</param>
/// <param name="nextSibling">Another callee of its caller; −1: none.</param>
internal struct FlameNode(int name, int nextSibling)
{
    internal readonly int Name = name;

    internal readonly int NextSibling = nextSibling;

    /// <summary>One of those that it calls; −1: none.</summary>
    internal int FirstCallee = -1;

    internal long Value;

    /// <summary>What the profile that is compared with has.</summary>
    internal long Before;
}
