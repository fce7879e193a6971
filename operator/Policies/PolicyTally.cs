using Premortem.Operator.Resources;

namespace Premortem.Operator.Policies;

/// <summary>What the pods of a policy come to.</summary>
internal sealed record PolicyTally
{
    public static PolicyTally Empty { get; } = new();

    public int Matched { get; init; }

    public int Injected { get; init; }

    /// <summary>The most first.</summary>
    public IReadOnlyList<MissedPods> Missed { get; init; } = [];

    /// <summary>How many sidecars reach the store.</summary>
    public int StorageReached { get; init; }

    /// <summary>Those that do not, the most first.</summary>
    public IReadOnlyList<PodProblem> StorageProblems { get; init; } = [];

    /// <summary>Sidecars that refuse their settings.</summary>
    public PodProblem? Refused { get; init; }

    /// <summary>Sidecars that have not said yet that they follow the newest settings.</summary>
    public PodProblem? Behind { get; init; }

    /// <summary>How many sidecars have said anything of themselves.</summary>
    public int Reported { get; init; }
}

/// <param name="Example">The name of one of them, the first by name.</param>
/// <param name="Message">What that one says.</param>
internal sealed record PodProblem(string Reason, int Count, string Example, string Message);
