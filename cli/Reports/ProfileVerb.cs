using System.CommandLine;

namespace Premortem.Cli.Reports;

/// <summary>What the verbs on profiles have in common: how they are run.</summary>
internal static class ProfileVerb
{
    /// <summary>Does it, and says what was wrong with what was asked. An argument that does not fit the profile is a mistake of the user's.</summary>
    internal static void SetAction(Command command, World world, Func<ParseResult, TextWriter, CancellationToken, Task> verb) =>
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            try
            {
                await verb(parsed, output, ct);
            }
            catch (ArgumentException e)
            {
                throw new VerbException(e.Message, ExitCodes.Usage, e);
            }
        }));
}
