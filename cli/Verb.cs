using System.Text;

namespace Premortem.Cli;

/// <summary>What the verbs that talk to a cluster or a store have in common: how they end.</summary>
internal static class Verb
{
    internal static async Task<int> RunAsync(World world, Func<TextWriter, Task> verb)
    {
        try
        {
            await using var output = new StreamWriter(world.OpenOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 64 << 10);
            await verb(output);
            return ExitCodes.Ok;
        }
        catch (VerbException e)
        {
            return Fail(e.ExitCode, e.Message);
        }
        catch (OperationCanceledException)
        {
            return Fail(ExitCodes.Failed, "interrupted");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Fail(ExitCodes.Failed, e.Message);
        }

        int Fail(int exitCode, string problem)
        {
            world.Errors.WriteLine($"premortem: {problem}");
            return exitCode;
        }
    }
}
