namespace Premortem.Cli.Tests;

/// <summary>The program under test, run in this process.</summary>
internal static class Premortem
{
    internal static (int ExitCode, string Output, string Errors) Run(params string[] args) => RunWith(new Dictionary<string, string?>(), args);

    internal static (int ExitCode, string Output, string Errors) RunWith(IReadOnlyDictionary<string, string?> environment, params string[] args)
    {
        using var output = new MemoryStream();
        using var errors = new StringWriter();
        var exitCode = CommandTree.Run(args, new World(() => output, errors) { Variable = name => environment.TryGetValue(name, out var value) ? value : Environment.GetEnvironmentVariable(name) });
        return (exitCode, System.Text.Encoding.UTF8.GetString(output.ToArray()), errors.ToString());
    }
}
