using System.CommandLine;
using System.Text;
using Premortem.Profiles;
using Premortem.Profiles.Formats;
using Premortem.Profiles.Pprof;

namespace Premortem.Cli.Reports;

/// <summary><c>premortem convert</c>: profiles for other tools, among them .NET's CPU samples for those that open pprof's.</summary>
internal static class ConvertCommand
{
    private static readonly (string Format, string Extension)[] Formats =
    [
        ("pprof", ".pb.gz"),
        ("pprof-raw", ".pb"),
        ("pprof", ".pprof"),
        ("speedscope", ".speedscope.json"),
        ("speedscope", ".json"),
        ("folded", ".folded"),
        ("folded", ".txt"),
        ("gcdump", ".gcdump"),
    ];

    internal static Command Create(World world)
    {
        var (input, flags) = (new ProfileInput(world), new ReportFlags(rows: false));
        var source = ProfileInput.Source("file", "A pprof profile, CPU samples of .NET (cpu.nettrace) or a .NET heap (heap.nettrace.gz); a capture's name, s3:// URL or folder; a URL; - is standard input.");
        var into = new Option<string>("--output", "-o") { Description = "The file to write; its extension says the format: .pb.gz, .pb, .speedscope.json, .folded or .gcdump; - is standard output.", HelpName = "file", Required = true };
        var format = new Option<string?>("--format") { Description = "pprof, pprof-raw, speedscope, folded or gcdump, whatever the extension says." };
        format.AcceptOnlyFromAmong([.. Formats.Select(known => known.Format).Distinct()]);
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        var command = new Command("convert", "Write a profile in another format: pprof's, speedscope's or folded stacks; a .NET heap also as .gcdump.") { source, into, format, force };
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, _, ct) =>
        {
            var path = parsed.GetValue(into)!;
            var chosen = parsed.GetValue(format) ?? FormatOf(path);
            var options = flags.Options(parsed);
            if (chosen == "gcdump")
            {
                if (options.Filters != new StackFilters() || flags.Base(parsed) is not null)
                    throw VerbException.Usage("a .gcdump is of one whole heap: PerfView and Visual Studio filter and compare");
                var graph = await input.ReadHeapAsync(parsed, parsed.GetValue(source)!, ct);
                OutputFile.Write(world, path, parsed.GetValue(force), graph.WriteGcDump);
                return;
            }
            if (chosen.StartsWith("pprof", StringComparison.Ordinal) && options.Filters != new StackFilters())
                throw VerbException.Usage("a pprof profile is converted whole: give the filters to the tool that opens it, or write speedscope or folded");
            var profile = await input.ReadStacksAsync(parsed, parsed.GetValue(source)!, ct);
            options = await input.WithBaseAsync(parsed, flags, options, ct);
            OutputFile.Write(world, path, parsed.GetValue(force), file => Write(profile, options, chosen, Path.GetFileName(parsed.GetValue(source)!), file));
        });
        return command;
    }

    private static void Write(PprofProfile profile, TopOptions options, string format, string name, Stream file)
    {
        switch (format)
        {
            case "speedscope":
                Speedscope.Write(profile, file, name, options);
                break;
            case "folded":
                using (var writer = new StreamWriter(file, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true))
                    FoldedStacks.Write(profile, writer, options);
                break;
            default:
                var whole = options.Base is null ? profile : ProfileMerge.Difference(profile, options.Base, options.SharesOfBase, options.Normalize);
                if (format == "pprof")
                    whole.Write(file);
                else
                    whole.WriteRaw(file);
                break;
        }
    }

    private static string FormatOf(string path)
    {
        foreach (var (format, extension) in Formats)
            if (path.EndsWith(extension, StringComparison.OrdinalIgnoreCase))
                return format;
        throw VerbException.Usage(path == "-"
            ? "standard output has no extension: --format says what to write"
            : $"no format has the extension of {Printable.Of(path)}: name it .pb.gz, .pb, .speedscope.json, .folded or .gcdump, or give --format");
    }
}
