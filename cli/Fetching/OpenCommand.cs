using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Premortem.Cli.Cluster;
using Premortem.Cli.Stores;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Fetching;

/// <summary><c>premortem open</c>: brings a capture here and shows its report.</summary>
internal static class OpenCommand
{
    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var stores = new StoreOptions();
        var capture = new Argument<string>("capture") { Description = "A ProfileCapture's name, or a capture's folder: an s3:// URL, or a path with a slash in it." }.RefusingFlags();
        var into = new Option<string?>("--output", "-o") { Description = "The folder to fetch into. Default: one of the capture's name in $XDG_CACHE_HOME/premortem.", HelpName = "folder" };
        var fromSecret = new Option<bool>("--credentials-from-secret") { Description = "Read the S3 credentials from the Secret that the policy names." };
        var browser = new Option<bool>("--browser") { Description = "With =false: print the report's path, and open nothing.", DefaultValueFactory = _ => true };
        var command = new Command("open", "Fetch a capture and open its report in the browser.") { capture, into, fromSecret, browser };
        cluster.AddTo(command, world, (capture, Kubectl.Captures));
        stores.AddTo(command);
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var text = parsed.GetValue(capture)!;
            var source = await CaptureSource.FindAsync(parsed, text, cluster, stores, parsed.GetValue(fromSecret), world, ct);
            string folder;
            if (source.Storage is DirectoryStorage here && File.Exists(Path.Combine(here.Path, Names.Report)) && parsed.GetValue(into) is null)
                folder = here.Path;
            else
            {
                // Two captures of one name in two clusters would meet: their folder in the store is their own.
                folder = Path.GetFullPath(parsed.GetValue(into) ?? Path.Combine(Cache(world), FetchCommand.LastPart(source.Storage)));
                using var store = CaptureStores.Open(source.Storage, source.Credentials);
                await new Fetch(store, folder, force: parsed.GetValue(into) is null, new FetchProgress(world.Errors, world.IsTerminal, world.Time), world.Time).RunAsync(ct);
            }
            var report = Path.Combine(folder, Names.Report);
            if (!File.Exists(report))
                throw new VerbException($"{Printable.Of(folder)}: the capture has no {Names.Report}");
            output.WriteLine(report);
            output.Flush();
            if (parsed.GetValue(browser) && !Show(report, world))
                world.Errors.WriteLine("premortem: there is no browser to open it with; BROWSER names one");
        }));
        return command;
    }

    private static string Cache(World world) => Path.Combine(
        world.Variable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : world.Variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".cache")
            : Path.GetTempPath(),
        "premortem");

    private static bool Show(string report, World world)
    {
        var isDesk = OperatingSystem.IsMacOS() || OperatingSystem.IsWindows() || world.Variable("DISPLAY") is { Length: > 0 } || world.Variable("WAYLAND_DISPLAY") is { Length: > 0 };
        // As the tools of freedesktop read it: names with colons between them.
        var programs = (world.Variable("BROWSER") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(isDesk ? [OperatingSystem.IsMacOS() ? "open" : OperatingSystem.IsWindows() ? "explorer" : "xdg-open"] : Array.Empty<string>());
        foreach (var program in programs)
            try
            {
                using var started = Process.Start(new ProcessStartInfo(program, [report]) { UseShellExecute = false });
                return true;
            }
            catch (Exception e) when (e is Win32Exception or InvalidOperationException)
            {
                // The next one.
            }
        return false;
    }
}
