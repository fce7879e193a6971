using System.CommandLine;
using Premortem.Profiles.Heaps;

namespace Premortem.Cli.Reports;

/// <summary><c>premortem gcroot</c>: the paths by which the roots of a .NET heap hold its objects, as SOS's verb of the name has them for one.</summary>
internal static class GcRootCommand
{
    internal static Command Create(World world)
    {
        var input = new ProfileInput(world);
        var expression = new Argument<string>("regex") { Description = "Which types, by their names." };
        var source = ProfileInput.Source("file", "The snapshot of a .NET heap (heap.nettrace.gz); a capture's name, s3:// URL or folder; - is standard input.");
        var types = new Option<int>("--nodecount", "-nodecount") { Description = "How many types at most; 0: all.", HelpName = "n", DefaultValueFactory = _ => 10 };
        var paths = new Option<int>("--paths", "-paths") { Description = "How many paths at most for each type; 0: all.", HelpName = "n", DefaultValueFactory = _ => 3 };
        var command = new Command("gcroot", "Print what holds the objects of a .NET heap: the shortest paths from its roots, by type.") { expression, source, types, paths };
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var graph = await input.ReadHeapAsync(parsed, parsed.GetValue(source)!, ct);
            if (!GcRootList.Write(graph, parsed.GetValue(expression)!, output, parsed.GetValue(types), parsed.GetValue(paths)))
                throw new VerbException($"no type's name has {Printable.Of(parsed.GetValue(expression))} in it");
        });
        return command;
    }
}
