using System.CommandLine;
using System.Globalization;
using Premortem.Cli.Cluster;
using Premortem.Cli.Stores;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Fetching;

/// <summary><c>premortem fetch</c>: brings a capture's files, proven.</summary>
internal static class FetchCommand
{
    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var stores = new StoreOptions();
        var capture = new Argument<string>("capture") { Description = "A ProfileCapture's name, or a capture's folder: an s3:// URL, or a path with a slash in it." }.RefusingFlags();
        var into = new Option<string?>("--output", "-o") { Description = "The folder to fetch into. Default: one of the capture's name, here.", HelpName = "folder" };
        var force = new Option<bool>("--force") { Description = "Replace files that are there with other content." };
        var fromSecret = new Option<bool>("--credentials-from-secret") { Description = "Read the S3 credentials from the Secret that the policy names." };
        var command = new Command("fetch", "Fetch a capture's files, each held against its SHA-256.") { capture, into, force, fromSecret };
        cluster.AddTo(command, world, (capture, Kubectl.Captures));
        stores.AddTo(command);
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var text = parsed.GetValue(capture)!;
            var name = CaptureSource.NameOf(text);
            if (name is null && parsed.GetValue(fromSecret))
                throw VerbException.Usage("--credentials-from-secret goes with the name of a ProfileCapture");
            var source = await CaptureSource.FindAsync(parsed, text, cluster, stores, parsed.GetValue(fromSecret), world, ct);
            var storage = source.Storage;
            var folder = Path.GetFullPath(parsed.GetValue(into) ?? (name is null ? LastPart(storage) : ObjectPath.Segment(name)));
            if (storage is DirectoryStorage directory && Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory.Path)) == Path.TrimEndingDirectorySeparator(folder))
                throw VerbException.Usage($"{folder} is where the capture stands: choose another folder with -o");
            using var store = CaptureStores.Open(storage, source.Credentials);
            var progress = new FetchProgress(world.Errors, world.IsTerminal, world.Time);
            var (record, paths) = await new Fetch(store, folder, parsed.GetValue(force), progress, world.Time).RunAsync(ct);
            foreach (var path in paths)
                output.WriteLine(path);
            foreach (var artifact in record.Artifacts.Where(artifact => artifact.Error is not null))
                progress.Note($"{Printable.Of(artifact.Key, 120)}: {(artifact.HasFile ? "not whole" : "not captured")}: {Printable.Of(artifact.Error)}");
            progress.Note(Conclusion(record, paths.Count, folder));
        }));
        return command;
    }

    private static string Conclusion(CaptureRecord record, int files, string folder)
    {
        var top = record.Top is [var first, ..]
            ? string.Create(CultureInfo.InvariantCulture, $"; {Printable.Of(first.Name, 120)} held {Quantity.ForPeople(first.FlatBytes)}, {first.FlatPercent:0.#}%")
            : "";
        return $"{files} files, all as the manifest says, in {folder}: {record.Phase}{(record.Outcome is { } outcome ? $", {outcome}" : "")}{top}";
    }

    internal static string LastPart(Storage storage)
    {
        var path = storage switch
        {
            S3Storage s3 when s3.Prefix.Length > 0 => s3.Prefix,
            S3Storage s3 => s3.Bucket,
            DirectoryStorage directory => directory.Path,
            _ => "",
        };
        return ObjectPath.Segment(path.TrimEnd('/').Split('/')[^1]);
    }
}
