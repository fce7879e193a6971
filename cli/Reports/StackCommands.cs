using System.CommandLine;
using System.Text;
using Premortem.Profiles;
using Premortem.Profiles.Flame;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Pprof;

namespace Premortem.Cli.Reports;

/// <summary>The verbs that tell of stacks, each as the flag of its name does with <c>go tool pprof</c>; and <c>merge</c>.</summary>
internal static class StackCommands
{
    private const string Sources = "A pprof profile, gzip or not; a capture's name, s3:// URL or folder; a URL; - is standard input.";

    // As pprof: more does not help the eye.
    private const int TreeRows = 80;

    internal static Command CreateTree(World world) =>
        Create(world, new Command("tree", "Print functions among their callers and callees."), new ReportFlags(defaultNodeCount: TreeRows), (profile, options, output) =>
            TreeTable.Of(profile, options).Write(output));

    internal static Command CreateTraces(World world) =>
        Create(world, new Command("traces", "Print every sample with its labels and stack."), new ReportFlags(rows: false), (profile, options, output) =>
            TraceList.Write(profile, output, options));

    internal static Command CreateTags(World world) =>
        Create(world, new Command("tags", "Print what was counted under each label."), new ReportFlags(rows: false), (profile, options, output) =>
            TagTable.Of(profile, options).Write(output));

    internal static Command CreatePeek(World world)
    {
        var expression = new Argument<string>("regex") { Description = "Which functions, by their names." };
        var command = new Command("peek", "Print the callers and callees of the functions that an expression finds.") { expression };
        return Create(world, command, new ReportFlags(trims: false), (parsed, profile, options, output) =>
        {
            var table = TreeTable.Peek(profile, parsed.GetValue(expression)!, options);
            if (table.Rows.Count == 0)
                throw new VerbException($"no function's name has {Printable.Of(parsed.GetValue(expression))} in it");
            table.Write(output);
        });
    }

    internal static Command CreateList(World world)
    {
        var expression = new Argument<string>("regex") { Description = "Which functions, by their names." };
        var sourcePath = new Option<string?>("--source-path", "-source_path", "--source_path", "-source-path")
        {
            Description = "Folders to look for source files in, with colons between them. Default: this one.",
            HelpName = "folders",
        };
        var command = new Command("list", "Print functions line by line, with their source where it is here.") { expression, sourcePath };
        return Create(world, command, new ReportFlags(trims: false), (parsed, profile, options, output) =>
        {
            var list = SourceList.Of(profile, parsed.GetValue(expression)!, options);
            if (list.Lines.Count == 0)
                throw new VerbException($"no function's name has {Printable.Of(parsed.GetValue(expression))} in it");
            list.Write(output, new SourceFiles(parsed.GetValue(sourcePath), options.TrimPath));
        });
    }

    internal static Command CreateMerge(World world)
    {
        var input = new ProfileInput(world);
        var sources = new Argument<string[]>("file") { Description = "Profiles, folders or URLs.", Arity = ArgumentArity.OneOrMore };
        var into = new Option<string>("--output", "-o") { Description = "The file to write; - is standard output.", HelpName = "file", Required = true };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        var command = new Command("merge", "Add profiles up into one.") { sources, into, force };
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, _, ct) =>
        {
            var profiles = new List<PprofProfile>();
            foreach (var source in parsed.GetValue(sources)!)
                profiles.Add(await input.ReadStacksAsync(parsed, source, ct));
            OutputFile.Write(world, parsed.GetValue(into)!, parsed.GetValue(force), ProfileMerge.Of(profiles).Write);
        });
        return command;
    }

    internal static Command CreateFlame(World world) => CreatePicture(
        world,
        new Command("flame", "Draw a flame graph: one SVG file that zooms and searches in a browser, and fetches nothing."),
        new ReportFlags(rows: false),
        "flame.svg",
        "flame graph",
        (_, profile, options) => FlameGraph.Of(profile, options).WriteSvg);

    internal static Command CreateGraph(World world)
    {
        var dot = new Option<bool>("--dot", "-dot") { Description = "Write it in Graphviz's language. Default: where the file's name ends in .dot or .gv." };
        var command = new Command("graph", "Draw the call graph: who calls whom, and what is held or spent by way of it. One SVG file, or DOT for Graphviz.") { dot };
        return CreatePicture(world, command, new ReportFlags(defaultNodeCount: TreeRows), "graph.svg", "graph", (parsed, profile, options) =>
        {
            var graph = CallGraph.Of(profile, options);
            return parsed.GetValue(dot) || Path.GetExtension(parsed.GetValue<string>("--output")) is ".dot" or ".gv" ? graph.WriteDot : graph.WriteSvg;
        });
    }

    /// <param name="file">Where it is written where nobody says.</param>
    /// <param name="name">What it is called where it is told that it is there.</param>
    /// <param name="draw">Makes the picture; what that returns writes it.</param>
    private static Command CreatePicture(
        World world, Command command, ReportFlags flags, string file, string name, Func<ParseResult, PprofProfile, TopOptions, Action<TextWriter>> draw)
    {
        var input = new ProfileInput(world);
        var source = ProfileInput.Source("file", Sources);
        var into = new Option<string>("--output", "-o") { Description = "The file to write; - is standard output.", HelpName = "file", DefaultValueFactory = _ => file };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        command.Add(source);
        command.Add(into);
        command.Add(force);
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, _, ct) =>
        {
            var options = flags.Options(parsed);
            var profile = await input.ReadStacksAsync(parsed, parsed.GetValue(source)!, ct);
            options = await input.WithBaseAsync(parsed, flags, options, ct);
            var write = draw(parsed, profile, options);
            OutputFile.Write(world, parsed.GetValue(into)!, parsed.GetValue(force), stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 64 << 10, leaveOpen: true);
                write(writer);
            });
            if (parsed.GetValue(into) != "-")
                world.Errors.WriteLine($"premortem: the {name} is in {Printable.Of(parsed.GetValue(into))}");
        });
        return command;
    }

    private static Command Create(World world, Command command, ReportFlags flags, Action<PprofProfile, TopOptions, TextWriter> write) =>
        Create(world, command, flags, (_, profile, options, output) => write(profile, options, output));

    private static Command Create(World world, Command command, ReportFlags flags, Action<ParseResult, PprofProfile, TopOptions, TextWriter> write)
    {
        var input = new ProfileInput(world);
        var source = ProfileInput.Source("file", Sources);
        command.Add(source);
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var options = flags.Options(parsed);
            var profile = await input.ReadStacksAsync(parsed, parsed.GetValue(source)!, ct);
            options = await input.WithBaseAsync(parsed, flags, options, ct);
            write(parsed, profile, options, output);
        });
        return command;
    }
}
