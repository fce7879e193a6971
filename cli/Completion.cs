using System.CommandLine;
using System.Globalization;

namespace Premortem.Cli;

/// <summary>
/// What the scripts of <c>premortem completion</c> ask: <c>premortem "[suggest:CURSOR]" LINE</c> prints what the word before the cursor may
/// become, a line each.
/// </summary>
internal static class Completion
{
    private const string Asked = "[suggest";

    internal static bool IsAskedFor(string[] args) => args is [var first, ..] && first.StartsWith(Asked, StringComparison.Ordinal);

    internal static int Write(RootCommand root, string[] args, World world)
    {
        var line = args.Length > 1 ? args[1] : "";
        if (int.TryParse(args[0].AsSpan(Asked.Length).Trim("[:]"), NumberStyles.None, CultureInfo.InvariantCulture, out var cursor) && cursor < line.Length)
            line = line[..cursor];
        // The first word is the program, under whatever name; behind a pipe it has a space before it.
        line = line.TrimStart();
        if (line.IndexOf(' ') is not (> 0 and var end))
            return ExitCodes.Ok;
        line = line[(end + 1)..];
        var word = line[(line.LastIndexOf(' ') + 1)..];
        using var output = new StreamWriter(world.OpenOutput());
        foreach (var found in root.Parse(line).GetCompletions(line.Length).Select(item => item.InsertText ?? item.Label).Distinct(StringComparer.Ordinal))
            if (found.StartsWith(word, StringComparison.Ordinal) && IsShownFor(word, found))
                output.Write($"{found}\n");
        return ExitCodes.Ok;
    }

    /// <summary>Flags are shown to who begins one; what Windows calls help, and what no keyboard needs help with, to nobody.</summary>
    private static bool IsShownFor(string word, string found) => !found.StartsWith('/') && found.Length > 2 && (word.Length > 0 || !found.StartsWith('-'));
}
