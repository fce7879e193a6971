namespace Premortem.Profiles;

/// <summary>The calls between two rows of a tree.</summary>
/// <param name="Name">The other row: who calls, or who is called.</param>
/// <param name="Weight">What is held, or spent, by way of them.</param>
/// <param name="IsInlined">Whether all of them were inlined.</param>
public sealed record TreeCall(string Name, long Weight, bool IsInlined);
