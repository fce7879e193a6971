namespace Premortem.Profiles.Graphs;

/// <summary>The calls from one node to another, by their numbers among the nodes.</summary>
/// <param name="Weight">What is held, or spent, by way of them.</param>
/// <param name="IsInlined">Whether all of them were inlined.</param>
/// <param name="IsBridge">Whether some of them went by way of functions that are no nodes.</param>
public readonly record struct CallGraphEdge(int Caller, int Callee, long Weight, bool IsInlined, bool IsBridge);
