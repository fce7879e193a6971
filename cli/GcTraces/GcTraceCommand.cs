using System.CommandLine;
using Premortem.Cli.Cluster;
using Premortem.Cli.Pods;
using Premortem.Profiles.GoGc;

namespace Premortem.Cli.GcTraces;

/// <summary><c>premortem gctrace</c>: what Go's <c>GODEBUG=gctrace=1</c> tells of its collections, decoded.</summary>
internal static class GcTraceCommand
{
    private const string MostLog = "--limit-bytes=268435456";

    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var source = new Argument<string>("source") { Description = "A file with the program's standard error, - for standard input, or pod/NAME, deploy/NAME: the log of its container." }.OfFileRefusingFlags();
        var container = new Option<string?>("--container", "-c") { Description = "Of a pod: the container. Default: the first.", HelpName = "name" };
        var previous = new Option<bool>("--previous", "-p") { Description = "Of a pod: the log of the container before it was last restarted." };
        var since = new Option<string?>("--since") { Description = "Of a pod: no lines older than 5m, 2h.", HelpName = "age" };
        var rows = new Option<int>("--rows") { Description = "How many collections the table has, the last ones; 0: all.", HelpName = "n", DefaultValueFactory = _ => 30 };
        var format = new Option<string>("--output", "-o") { Description = "How to print it: table, json, csv.", HelpName = "format", DefaultValueFactory = _ => "table" };
        format.AcceptOnlyFromAmong("table", "json", "csv");
        since.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !Contracts.Durations.TryParse(token.Value, out _))
                result.AddError("--since is a length of time like 5m or 2h");
        });
        var command = new Command("gctrace", "Show each collection of a Go program that runs with GODEBUG=gctrace=1, and what they come to.") { source, container, previous, since, rows, format };
        cluster.AddTo(command, world);
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var name = parsed.GetValue(source)!;
            var log = await ReadAsync(name);
            if (log.Cycles.Count == 0)
                throw new VerbException(
                    $"{LocalSource.NameOf(name)}: there is no line of a collection in it{(log.Damaged > 0 ? " that is whole" : "")}: the program has to run with GODEBUG=gctrace=1 in its environment, and prints them to its standard error");
            switch (parsed.GetValue(format))
            {
                case "json":
                    GcTraceFormats.WriteJson(log, output);
                    break;
                case "csv":
                    GcTraceFormats.WriteCsv(log, output);
                    break;
                default:
                    GcTraceTable.Write(log, parsed.GetValue(rows), world.IsOutputTerminal, output);
                    break;
            }

            async Task<GcTraceLog> ReadAsync(string from)
            {
                if (from == "-" || File.Exists(from) || !from.Contains('/', StringComparison.Ordinal) || from[0] is '.' or '/')
                {
                    await using var file = LocalSource.Open(from);
                    return GcTraceLog.Read(file);
                }
                var kubectl = cluster.Kubectl(parsed, world);
                string[] scope = cluster.Namespace(parsed) is { } ns ? ["-n", ns] : [];
                var reference = PodReference.Parse(from);
                var (pod, _) = await reference.FindAsync(kubectl, scope, ct);
                if (pod is not { } found)
                    throw new VerbException($"{reference.Name} has no pod");
                var arguments = new List<string> { found.Member("metadata").Text("name"), MostLog };
                if (parsed.GetValue(container) is { } one)
                    arguments.Add($"--container={one}");
                if (parsed.GetValue(previous))
                    arguments.Add("--previous");
                if (parsed.GetValue(since) is { } age)
                    arguments.Add($"--since={age}");
                using var content = new MemoryStream(await kubectl.LogsAsync([.. arguments, .. scope], ct), writable: false);
                return GcTraceLog.Read(content);
            }
        }));
        return command;
    }
}
