namespace Premortem.Cli;

/// <summary>What the program stands in: where it writes, what it is told beside its arguments, and what time it is.</summary>
/// <param name="OpenOutput">Opens the standard output.</param>
/// <param name="Errors">Where errors, notes and progress go.</param>
internal sealed record World(Func<Stream> OpenOutput, TextWriter Errors)
{
    /// <summary>What people type to run it: <c>premortem</c> or <c>kubectl premortem</c>.</summary>
    public string Program { get; init; } = "premortem";

    /// <summary>Whether <see cref="Errors"/> is a terminal, on which a line can be written anew.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Whether the standard output is a terminal, which knows blocks and colours.</summary>
    public bool IsOutputTerminal { get; init; }

    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>What people type, by the name that the program was run under: kubectl finds its plugins by theirs.</summary>
    internal static string ProgramOf(string? path) =>
        Path.GetFileName(path) is { } name && name.StartsWith("kubectl", StringComparison.Ordinal) ? "kubectl premortem" : "premortem";
}
