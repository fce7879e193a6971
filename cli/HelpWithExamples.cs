using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Premortem.Cli;

/// <summary>The help that System.CommandLine makes, under the name that the user typed, with examples below it.</summary>
internal sealed class HelpWithExamples(HelpAction inner, string examples, string program) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var configuration = parseResult.InvocationConfiguration;
        var output = configuration.Output;
        using var help = new StringWriter();
        configuration.Output = help;
        var result = inner.Invoke(parseResult);
        configuration.Output = output;
        // It knows the program by the name of its file.
        output.Write(help.ToString().Replace($"\n  {RootCommand.ExecutableName} ", $"\n  {program} ", StringComparison.Ordinal));
        output.WriteLine(examples.Replace("  premortem ", $"  {program} ", StringComparison.Ordinal));
        return result;
    }
}
