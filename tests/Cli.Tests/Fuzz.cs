using System.Globalization;

namespace Premortem.Cli.Tests;

/// <summary>How many profiles are made up, and from which seed on: a few that are always the same, unless <c>make fuzz</c> asks for more.</summary>
internal static class Fuzz
{
    internal static int Profiles { get; } = Number("PREMORTEM_FUZZ", 40);

    internal static int Seed { get; } = Number("PREMORTEM_FUZZ_SEED", 0);

    private static int Number(string variable, int fallback) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
