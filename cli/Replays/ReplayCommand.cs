using System.CommandLine;
using Premortem.Cli.Reports;
using Premortem.Cli.Stores;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Replays;

namespace Premortem.Cli.Replays;

/// <summary><c>premortem replay</c>: what a policy would have made of what memory did.</summary>
internal static class ReplayCommand
{
    internal static Command Create(World world)
    {
        var stored = new StoredProfiles(world);
        var source = ProfileInput.Source("memory.csv", "A memory.csv, - for standard input, a capture's folder, or a capture by its name in the cluster or its s3:// URL.");
        var policy = new Option<string>("--policy") { Description = "The ProfilePolicy or ClusterProfilePolicy document, YAML or JSON.", HelpName = "file", Required = true };
        var limit = new Option<string?>("--limit") { Description = "Measure against this instead of the limit that was: 512Mi.", HelpName = "quantity" };
        var format = new Option<string>("--output", "-o") { Description = "How to print it: text, json.", HelpName = "format", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "json");
        limit.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(Quantity.TryParse(token.Value, out var bytes) && bytes > 0))
                result.AddError($"--limit has to be a quantity like 512Mi, and is '{token.Value}'");
        });
        var command = new Command("replay", "Say what the triggers of a policy would have made of a capture's memory.csv, and when.") { source, policy, limit, format };
        stored.AddTo(command);
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var read = ReadPolicy(world, parsed.GetValue(policy)!);
            long? limitBytes = parsed.GetValue(limit) is { } text && Quantity.TryParse(text, out var bytes) ? bytes : null;
            var name = parsed.GetValue(source)!;
            await using var csv = await OpenAsync(parsed, name, stored, ct);
            await output.FlushAsync(ct);
            // Both write UTF-8 to the stream below, and leave it open.
            var stream = ((StreamWriter)output).BaseStream;
            using IReplayReport report = parsed.GetValue(format) == "json" ? new ReplayJson(stream, name, read) : new ReplayText(stream);
            try
            {
                new MemoryReplay(read, limitBytes).Play(csv, report);
            }
            catch (MemoryCsvException e)
            {
                throw new VerbException($"{LocalSource.NameOf(name)}: {e.Message}", inner: e);
            }
        }));
        return command;
    }

    private static ProfilePolicy ReadPolicy(World world, string file)
    {
        var reading = PolicyFile.Read(file);
        foreach (var warning in reading.Warnings)
            world.Errors.WriteLine($"premortem: {Printable.Of(file)}: warning: {Printable.Of(warning.ToString(), 1000)}");
        return reading.Policy ?? throw VerbException.Usage(string.Join("\npremortem: ", reading.Errors.Select(error => $"{Printable.Of(file)}: {Printable.Of(error.ToString(), 1000)}")));
    }

    private static async Task<Stream> OpenAsync(ParseResult parsed, string source, StoredProfiles stored, CancellationToken ct)
    {
        if (StoredProfiles.IsOne(source))
            return await stored.ReadAsync(
                parsed,
                source,
                names => names.Contains(Names.MemoryTimeline) ? Names.MemoryTimeline : throw new VerbException($"{Printable.Of(source)}: the capture has no {Names.MemoryTimeline}"),
                ct);
        if (StoreAddress.IsFile(source) && StoreAddress.Parse(source) is DirectoryStorage local)
            source = local.Path;
        var file = source != "-" && Directory.Exists(source) ? Path.Combine(source, Names.MemoryTimeline) : source;
        try
        {
            return LocalSource.Open(file);
        }
        catch (FileNotFoundException e)
        {
            throw new VerbException($"{Printable.Of(file)}: there is no such file", inner: e);
        }
    }
}
