using System.Collections;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Premortem.Operator.Hosting;

/// <summary>The command line.</summary>
internal static class OperatorCommands
{
    private const string Examples = """

        Examples:
          premortem-operator run                                          in a pod, as the chart has it
          premortem-operator run --kubeconfig ~/.kube/config --namespace premortem-system --bind-address 127.0.0.1
          PREMORTEM_OPERATOR_LOG_LEVEL=Debug premortem-operator run --config operator.yaml
          premortem-operator check                                        what is missing in the cluster

        Every option is a flag (--https-port 9443), a variable (PREMORTEM_OPERATOR_HTTPS_PORT=9443) and a field of the file
        (httpsPort: 9443); a flag wins over a variable, and that over the file.

        Signals: SIGTERM and SIGINT end it; reviews are answered for --drain longer.
        Exit codes: 0 done, 1 failed (check: something is missing), 2 wrong options, 3 another replica leads: start it anew.
        """;

    /// <summary>Does what the arguments say, and returns one of the <see cref="ExitCodes"/>.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Create().Parse(arguments);
        if (parsed.Action is not ParseErrorAction)
            // It would end the program two seconds after a SIGTERM, whatever is still in flight.
            return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
        return Refuse(parsed.Errors.Select(error => error.Message));
    }

    public static RootCommand Create()
    {
        var root = new RootCommand("Injects the Premortem sidecar where a policy wants it, keeps it configured, and records what it captures.");
        var run = new Command("run", "Run the operator, until told to end");
        WithOptions(run, async (_, options, file) =>
        {
            using var loggers = Logging.Create(options.LogFormat, options.LogLevel);
            return await OperatorProcess.RunUntilSignalledAsync(options, file, loggers);
        });
        var check = new Command("check", "Say what is there of what the operator needs in a cluster, and what is not");
        var url = new Option<string?>("--url") { Description = "Where the webhooks answer (default: as the webhook configuration says)", HelpName = "URL" };
        check.Options.Add(url);
        WithOptions(check, (parsed, options, _) => CheckCommand.RunAsync(options, parsed.GetValue(url), Console.Out));
        var version = new Command("version", "Say which version this is");
        version.SetAction(_ =>
        {
            Console.Out.WriteLine(Product.NameAndVersion);
            return ExitCodes.Done;
        });
        root.Subcommands.Add(run);
        root.Subcommands.Add(check);
        root.Subcommands.Add(version);
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!, Examples);
        return root;
    }

    private static void WithOptions(Command command, Func<ParseResult, OperatorOptions, string?, Task<int>> act)
    {
        var config = new Option<string?>("--config") { Description = $"The file (default: {OptionsReader.DefaultFile}, where it is there)", HelpName = "FILE" };
        command.Options.Add(config);
        var defaults = new OperatorOptions();
        var flags = OptionKeys.All.Select(key => new Option<string?>(key.Flag)
        {
            Description = key.Get(defaults) is { } value ? $"{key.Description} (default: {value})" : key.Description,
            HelpName = key.HelpName,
        }).ToArray();
        foreach (var flag in flags)
            command.Options.Add(flag);
        command.SetAction(async (parsed, _) =>
        {
            var given = flags.Select(flag => (Name: flag.Name[2..], Value: parsed.GetValue(flag))).Where(flag => flag.Value is not null)
                .ToDictionary(flag => flag.Name, flag => flag.Value!);
            var reading = OptionsReader.Read(given, EnvironmentVariables(), parsed.GetValue(config));
            if (reading.Errors.Count > 0)
                return Refuse(reading.Errors);
            return await act(parsed, reading.Options, reading.File);
        });
    }

    private static Dictionary<string, string> EnvironmentVariables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value ?? "");

    private static int Refuse(IEnumerable<string> errors)
    {
        foreach (var error in errors)
            Console.Error.WriteLine($"premortem-operator: {error}");
        Console.Error.WriteLine("premortem-operator: 'premortem-operator run --help' says what there is");
        return ExitCodes.Usage;
    }

    private sealed class HelpWithExamples(HelpAction inner, string examples) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var result = inner.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(examples);
            return result;
        }
    }
}
