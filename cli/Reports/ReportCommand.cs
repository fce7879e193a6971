using System.CommandLine;
using Premortem.Cli.Captures;
using Premortem.Contracts;
using Premortem.Dumps;
using Premortem.Profiles.Findings;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Report;

namespace Premortem.Cli.Reports;

/// <summary><c>premortem report</c>: a capture's page again, from its folder, where no pod's memory bounds what is on it.</summary>
internal static class ReportCommand
{
    private const long MostManifestBytes = 16 << 20;

    internal static Command Create(World world)
    {
        var folder = new Argument<string>("folder") { Description = "A capture's folder, as 'premortem fetch' brings it." };
        var into = new Option<string?>("--output", "-o") { Description = "The file to write; - is standard output. Default: report.html in the folder.", HelpName = "file" };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        var dac = DumpInput.Dac();
        var command = new Command("report", "Make a capture's page: findings, memory, tables, flame graphs. One HTML file, which fetches nothing.") { folder, into, force, dac };
        ProfileVerb.SetAction(command, world, (parsed, _, ct) =>
        {
            var place = parsed.GetValue(folder)!;
            var data = Read(world, place, parsed.GetValue(dac), ct);
            var path = parsed.GetValue(into) ?? Path.Combine(place, Names.Report);
            OutputFile.Write(world, path, parsed.GetValue(force), stream => ReportPage.Write(stream, data));
            if (path != "-")
            {
                foreach (var finding in FindingRules.Of(data))
                    world.Errors.WriteLine($"premortem: {Printable.Of(finding.Sentence, 300)}");
                world.Errors.WriteLine($"premortem: the report is in {Printable.Of(path)}");
            }
            return Task.CompletedTask;
        });
        return command;
    }

    private static ReportData Read(World world, string folder, string? dac, CancellationToken ct)
    {
        if (!Directory.Exists(folder))
            throw new VerbException($"{Printable.Of(folder)}: there is no such folder; 'premortem fetch' brings one");
        var manifest = Path.Combine(folder, Names.Manifest);
        if (!File.Exists(manifest))
            throw new VerbException($"{Printable.Of(folder)}: there is no {Names.Manifest} in it, so it is no capture's folder or not all of it is there; 'premortem flame' and 'premortem top' take a profile alone");
        if (new FileInfo(manifest).Length > MostManifestBytes)
            throw new VerbException($"{Printable.Of(manifest)}: it is larger than {MostManifestBytes >> 20} MiB");
        var record = Manifest.Parse(File.ReadAllBytes(manifest), Printable.Of(manifest));
        return new CapturedProfiles(record, PathOf, () => ReportBounds.Wide, PassedOver) { DumpReader = ReadDump }.ReadPage() with { Memory = ReadMemory() };

        // A manifest may be anybody's: what it names is looked for in its folder and nowhere else.
        string PathOf(string key) => key.Length > 0 && key[0] != '.' && Path.GetFileName(key) == key
            ? Path.Combine(folder, key)
            : throw new IOException("the manifest names a file that is none of a capture's folder");

        IReadOnlyList<MemoryPoint> ReadMemory()
        {
            try
            {
                if (!File.Exists(PathOf(Names.MemoryTimeline)))
                    return [];
                using var csv = new StreamReader(PathOf(Names.MemoryTimeline));
                return MemoryCsv.Read(csv);
            }
            catch (Exception e) when (e is InvalidDataException or IOException)
            {
                PassedOver(Names.MemoryTimeline, e.Message);
                return [];
            }
        }

        HeapGraph ReadDump(string path)
        {
            using var file = File.OpenRead(path);
            try
            {
                return DumpInput.Read(file, path, dac, world, ct);
            }
            catch (DumpException e)
            {
                throw new IOException(e.Message, e);
            }
        }

        void PassedOver(string what, string why) => world.Errors.WriteLine($"premortem: left out of the report: {Printable.Of(what, 100)}: {Printable.Of(why, 300)}");
    }
}
