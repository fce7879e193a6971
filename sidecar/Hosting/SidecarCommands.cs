using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;
using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Replays;
using Premortem.Sidecar.Targets;
using Serilog.Events;

namespace Premortem.Sidecar.Hosting;

/// <summary>The command line.</summary>
internal static class SidecarCommands
{
    private const string PodSpool = "/var/lib/premortem/spool";

    /// <summary>Does what the arguments say, and returns one of the <see cref="ExitCodes"/>.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Create().Parse(arguments);
        if (parsed.Action is not ParseErrorAction)
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                // It would end the program two seconds after a SIGTERM, whatever is still in flight; the grace period is ours to keep.
                ProcessTerminationTimeout = null,
            });
        foreach (var error in parsed.Errors)
            await Console.Error.WriteLineAsync($"premortem-sidecar: {error.Message}");
        await Console.Error.WriteLineAsync("premortem-sidecar: 'premortem-sidecar --help' says what there is");
        return ExitCodes.Usage;
    }

    public static RootCommand Create()
    {
        var root = new RootCommand("""
            Watches the memory of processes and captures profiles before the OOM killer destroys the evidence.

            Signals: SIGUSR1 captures now; SIGTERM and SIGINT end it, with what is in flight finished within the grace period.
            Exit codes: 0 done, 1 unexpected error, 2 wrong command line or policy, 3 nothing to watch, 4 spool or store unusable,
            5 ended with captures left in the spool (they are stored when it starts again).
            """);
        root.Subcommands.Add(Run());
        root.Subcommands.Add(Replay());
        return root;
    }

    private static Command Run()
    {
        var policy = new Option<string?>("--policy") { Description = "The ProfilePolicy document, YAML or JSON", HelpName = "FILE" };
        var settings = new Option<string?>("--settings") { Description = "What the operator wrote into the pod, instead of --policy; followed as it changes", HelpName = "FILE" };
        var pid = new Option<int?>("--pid") { Description = "Watch this process, until it ends", HelpName = "N" };
        var cgroup = new Option<string?>("--cgroup") { Description = "Watch the processes of this memory cgroup, through restarts, until the cgroup is removed", HelpName = "DIR" };
        var pod = new Option<bool>("--pod") { Description = "Watch the other containers that share this PID namespace" };
        var spool = new Option<string?>("--spool")
        {
            Description = $"Where captures wait until they are stored (default: {PodSpool}, or below $XDG_STATE_HOME without the right to it)",
            HelpName = "DIR",
        };
        var limit = new Option<string?>("--memory-limit") { Description = "The limit to measure against where the cgroup has none or a higher one: 256Mi", HelpName = "QUANTITY" };
        var grace = new Option<string>("--grace-period") { Description = "How long ending may take", HelpName = "DURATION", DefaultValueFactory = _ => "25s" };
        var port = new Option<string?>("--diagnostic-port")
        {
            Description = "Make this socket, for .NET runtimes to dial: DOTNET_DiagnosticPorts=FILE,connect,nosuspend",
            HelpName = "FILE",
        };
        var dumps = new Option<string?>("--dump-directory")
        {
            Description = "A folder on a disk that .NET targets can write dumps to, with their own path of it where that is another",
            HelpName = "DIR[:TARGET-DIR]",
        };
        var token = new Option<string>("--token") { Description = "The pod's token for reports to the operator, read anew each time", HelpName = "FILE", DefaultValueFactory = _ => Names.TokenFile };
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what is found, what would be done and why, and end" };
        var format = new Option<LogFormat>("--log-format") { Description = "Auto: text at a terminal, JSON elsewhere", DefaultValueFactory = _ => LogFormat.Auto };
        var level = new Option<LogEventLevel>("--log-level") { Description = "The least level that is logged", DefaultValueFactory = _ => LogEventLevel.Information };
        pid.Validators.Add(result => Check(result, result.Tokens is not [var token] || (int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0), "--pid has to be a process id"));
        limit.Validators.Add(result => Check(result, result.GetValueOrDefault<string?>() is null || Quantity.TryParse(result.GetValueOrDefault<string>()!, out _), "--memory-limit has to be a quantity like 256Mi"));
        dumps.Validators.Add(result => Check(result, result.GetValueOrDefault<string?>() is not { } text || DumpFolder.TryParse(text) is not null, "--dump-directory has to be an absolute path, or two of them: DIR:TARGET-DIR"));
        grace.Validators.Add(result => Check(result, Durations.TryParse(result.GetValueOrDefault<string>() ?? "", out _), "--grace-period has to be a duration like 25s"));

        var run = new Command("run", "Watch, capture and store")
        {
            policy, settings, pid, cgroup, pod, spool, limit, grace, port, dumps, token, dryRun, format, level,
        };
        run.Validators.Add(result =>
        {
            var scopes = new Option[] { pid, cgroup, pod }.Count(option => result.GetResult(option) is { Implicit: false });
            if (new Option[] { policy, settings }.Count(option => result.GetResult(option) is { Implicit: false }) != 1)
                result.AddError("give exactly one of --policy FILE and --settings FILE");
            else if (result.GetResult(settings) is { Implicit: false } && result.GetResult(pod) is not { Implicit: false })
                result.AddError("--settings is of a pod: give --pod with it");
            if (scopes != 1)
                result.AddError("give exactly one of --pid N, --cgroup DIR and --pod");
        });
        run.SetAction(async (parsed, _) =>
        {
            long? limitBytes = parsed.GetValue(limit) is { } text && Quantity.TryParse(text, out var bytes) ? bytes : null;
            var gracePeriod = Durations.TryParse(parsed.GetValue(grace)!, out var period) ? period : TimeSpan.Zero;
            TargetScope scope = parsed.GetValue(pid) is { } number ? new TargetScope.Process(number)
                : parsed.GetValue(cgroup) is { } directory ? new TargetScope.Cgroup(Path.GetFullPath(directory))
                : new TargetScope.Pod();
            var command = new RunCommand(parsed.GetValue(policy), parsed.GetValue(settings), scope, parsed.GetValue(spool) ?? DefaultSpool(), limitBytes, gracePeriod, parsed.GetValue(port), parsed.GetValue(dumps) is { } folder ? DumpFolder.TryParse(folder) : null, parsed.GetValue(token));
            using var loggers = Logging.Create(parsed.GetValue(format), parsed.GetValue(level));
            return parsed.GetValue(dryRun) ? await command.ExplainAsync() : await command.RunAsync(loggers);
        });
        return run;
    }

    private static Command Replay()
    {
        var csv = new Argument<string>("memory.csv") { Description = "What memory did, as a capture brings it; '-' is standard input" };
        var policy = new Option<string>("--policy") { Description = "The ProfilePolicy document, YAML or JSON", HelpName = "FILE", Required = true };
        var limit = new Option<string?>("--limit") { Description = "Measure against this instead of the limit that was: 512Mi", HelpName = "QUANTITY" };
        var format = new Option<ReplayFormat>("--output", "-o") { Description = "For people or for programs", HelpName = "text|json" };
        limit.Validators.Add(result => Check(result, result.GetValueOrDefault<string?>() is null || (Quantity.TryParse(result.GetValueOrDefault<string>()!, out var bytes) && bytes > 0), "--limit has to be a quantity like 512Mi"));
        var replay = new Command("replay", """
            Say what the triggers of a policy would have made of a memory.csv, and when.

            Examples:
              premortem-sidecar replay memory.csv --policy policy.yaml
              premortem-sidecar replay memory.csv --policy policy.yaml --limit 512Mi -o json
              cat */memory.csv | premortem-sidecar replay - --policy policy.yaml    (captures of one container, oldest first)

            Exit codes: 0 played, whatever fired; 1 unexpected error; 2 wrong command line, policy or memory.csv.
            """)
        {
            csv, policy, limit, format,
        };
        replay.SetAction(parsed =>
        {
            long? limitBytes = parsed.GetValue(limit) is { } text && Quantity.TryParse(text, out var bytes) ? bytes : null;
            using var output = Console.OpenStandardOutput();
            return new ReplayCommand(parsed.GetValue(csv)!, parsed.GetValue(policy)!, limitBytes, parsed.GetValue(format)).Run(output);
        });
        return replay;
    }

    private static void Check(OptionResult result, bool holds, string message)
    {
        if (!holds)
            result.AddError($"{message}, and is '{(result.Tokens is [var token, ..] ? token.Value : "")}'");
    }

    private static string DefaultSpool()
    {
        if (Environment.IsPrivilegedProcess || Directory.Exists(PodSpool))
            return PodSpool;
        var state = Environment.GetEnvironmentVariable("XDG_STATE_HOME")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state");
        return Path.Combine(state, "premortem", "spool");
    }
}
