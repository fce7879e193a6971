namespace Premortem.Contracts.Policies;

/// <summary>Something in a document that is wrong, or only looks wrong.</summary>
/// <param name="Path">Where: <c>spec.triggers[0].memoryUsage.threshold</c>.</param>
/// <param name="Message">What is there, why it cannot be, and what can.</param>
public sealed record FieldProblem(string Path, string Message)
{
    public override string ToString() => Path.Length == 0 ? Message : $"{Path}: {Message}";
}
