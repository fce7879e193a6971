using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Premortem.Cli;

/// <summary>The help that System.CommandLine makes, with examples below it.</summary>
internal sealed class HelpWithExamples(HelpAction inner, string examples) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var result = inner.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output.WriteLine(examples);
        return result;
    }
}
