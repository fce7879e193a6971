using System.CommandLine;
using System.CommandLine.Help;
using Premortem.Cli.Captures;
using Premortem.Cli.Fetching;
using Premortem.Cli.GcTraces;
using Premortem.Cli.Pods;
using Premortem.Cli.Replays;
using Premortem.Cli.Reports;

namespace Premortem.Cli;

/// <summary>The verbs of the program, and what they have in common: where they write, and how they fail.</summary>
internal static class CommandTree
{
    private const string Examples = """

        Examples:
          premortem captures                                    what was captured in this namespace
          premortem captures -A --since 24h -o wide             in all, since yesterday, and where it is stored
          premortem captures --store s3://profiles/prod         straight from the bucket
          premortem fetch checkout-7d9f-9d3f0a51c2e7            its files, each held against its SHA-256
          premortem open checkout-7d9f-9d3f0a51c2e7             its report, in the browser
          premortem capture deploy/checkout --type Heap,Cpu     capture it now
          premortem explain checkout-7d9f                       whether it is watched, and if not, why
          premortem top heap.pb.gz                              what holds the memory
          premortem top checkout-7d9f-9d3f0a51c2e7 --type cpu   of a capture, without fetching it; s3://... too
          premortem top -cum heap.pb.gz                         ordered by what a function and its callees hold
          premortem top -sample_index=alloc_space heap.pb.gz    what was allocated, freed or not
          premortem top -base baseline-heap.pb.gz heap.pb.gz    what has grown since the baseline
          premortem top cpu.pb.gz                               what spends the time
          premortem top heap.nettrace.gz                        which types hold a .NET heap; types.json has the same
          premortem top -retained heap.nettrace.gz              by what would go with them
          premortem gcroot Order heap.nettrace.gz               what holds a .NET heap's objects of such types
          premortem top trace.out                               an execution trace of Go, summed up
          premortem top -lines -focus=checkout heap.pb.gz       by line, of stacks with such a function
          premortem top http://localhost:6060/debug/pprof/heap  of a program that runs
          premortem diff my-capture/                            what a fetched capture has above its baseline
          premortem tree cpu.pb.gz                              who calls whom
          premortem peek 'json.*Decode' heap.pb.gz              callers and callees of these
          premortem list main.grow heap.pb.gz                   its lines, with their source
          premortem traces -tagfocus=64kb: heap.pb.gz           stacks that allocate large blocks
          premortem tags heap.pb.gz                             what stands under each label
          premortem flame cpu.pb.gz -o cpu.svg                  a picture of the stacks, for a browser
          premortem graph -focus=checkout heap.pb.gz            a picture of who calls whom; -dot for Graphviz
          premortem report my-capture/ -o report.html           its page: findings, memory, tables, flame graphs
          premortem merge a/heap.pb.gz b/heap.pb.gz -o all.pb.gz
          premortem convert cpu.nettrace -o cpu.pb.gz           .NET's CPU samples for go tool pprof; also .speedscope.json, .folded
          premortem convert heap.nettrace.gz -o heap.gcdump     a .NET heap for PerfView and Visual Studio
          premortem gctrace pod/checkout-7d9f                   each collection of a Go program with GODEBUG=gctrace=1
          premortem replay my-capture/ --policy policy.yaml     what a policy would have done, and when
          curl -s localhost:6060/debug/pprof/heap | premortem top -

        Exit codes: 0 done, 1 could not be done, 2 not understood.
        """;

    // A flag of Go's that is mistyped, like -nodecont=5, would be taken for -n and its value.
    private static readonly ParserConfiguration s_parsing = new() { EnablePosixBundling = false };

    /// <summary>Does what the arguments say, and says how it ended.</summary>
    /// <param name="args">The command line, without the program.</param>
    internal static int Run(string[] args, World world)
    {
        var errors = world.Errors;
        var root = new RootCommand("See and fetch what Premortem captured before the OOM kill, and look into it.");
        root.Add(CapturesCommand.Create(world));
        root.Add(CaptureCommand.Create(world));
        root.Add(ExplainCommand.Create(world));
        root.Add(FetchCommand.Create(world));
        root.Add(OpenCommand.Create(world));
        root.Add(TopCommand.Create(world));
        root.Add(TopCommand.CreateDiff(world));
        root.Add(StackCommands.CreateTree(world));
        root.Add(StackCommands.CreatePeek(world));
        root.Add(StackCommands.CreateList(world));
        root.Add(StackCommands.CreateTraces(world));
        root.Add(StackCommands.CreateTags(world));
        root.Add(StackCommands.CreateMerge(world));
        root.Add(StackCommands.CreateFlame(world));
        root.Add(StackCommands.CreateGraph(world));
        root.Add(GcRootCommand.Create(world));
        root.Add(ReportCommand.Create(world));
        root.Add(ConvertCommand.Create(world));
        root.Add(GcTraceCommand.Create(world));
        root.Add(ReplayCommand.Create(world));
        root.Add(CompletionCommand.Create(world));
        root.Add(HelpCommand(root));
        var builtIn = root.Options.OfType<HelpOption>().Single();
        builtIn.Action = new HelpWithExamples((HelpAction)builtIn.Action!, Examples, world.Program);

        if (Completion.IsAskedFor(args))
            return Completion.Write(root, args, world);
        var parsed = root.Parse(args, s_parsing);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpWithExamples)
        {
            foreach (var error in parsed.Errors)
                errors.WriteLine($"premortem: {error.Message}");
            errors.WriteLine($"premortem: '{world.Program} --help' says what there is");
            return ExitCodes.Usage;
        }
        return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    }

    private static Command HelpCommand(RootCommand root)
    {
        var verb = new Argument<string[]>("verb") { Description = "The verb to explain.", Arity = ArgumentArity.ZeroOrMore };
        var help = new Command("help", "Say what a verb does and takes.") { verb };
        help.SetAction(parsed => root.Parse([.. parsed.GetValue(verb) ?? [], "--help"]).Invoke());
        return help;
    }
}
