using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>
/// What became of reading settings: all of them, or the errors that forbid it. Warnings, of what a newer operator says that is not known here,
/// go with either.
/// </summary>
/// <param name="Policies">The policies of the settings, read.</param>
public sealed record SettingsReading(
    SidecarSettings? Settings,
    IReadOnlyList<ReadPolicy> Policies,
    IReadOnlyList<FieldProblem> Errors,
    IReadOnlyList<FieldProblem> Warnings);
