using System.Globalization;
using Premortem.Profiles.DotNet;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Heaps;

/// <summary>Makes a profile of a heap: <see cref="HeapGraph.ToProfile"/>.</summary>
internal static class HeapProfile
{
    internal static PprofProfile Of(HeapGraph graph)
    {
        var writer = new ProfileWriter();
        writer.SampleType("inuse_objects", "count");
        writer.SampleType("inuse_space", "bytes");
        var mapping = writer.Mapping("heap", hasFunctions: true);
        var (tree, locations, stack) = (graph.Paths, new Dictionary<string, int>(StringComparer.Ordinal), new List<int>());
        for (var i = 0; i < tree.Places.Count; i++)
        {
            if (tree.Places[i] is not { Objects: > 0 } counted)
                continue;
            stack.Clear();
            for (var place = i; place >= 0; place = tree.Places[place].Parent)
            {
                var name = tree.NameOf(place);
                if (!locations.TryGetValue(name, out var location))
                    locations.Add(name, location = writer.Location(mapping, 0, name));
                stack.Add(location);
            }
            writer.Sample(stack, [counted.Objects, counted.Bytes]);
        }
        if (graph.IsPartial)
            writer.Comment(string.Create(CultureInfo.InvariantCulture, $"of a part of the heap: {graph.Objects} objects were seen"));
        return writer.ToProfile(graph.TakenAt, default, 0, "inuse_space", "bytes");
    }
}
