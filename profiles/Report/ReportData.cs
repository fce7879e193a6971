using System.Text.Json;
using Premortem.Contracts;
using Premortem.Profiles.Findings;
using Premortem.Profiles.GoGc;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>What the report page is made of. What is not known is left away, and the page says so.</summary>
public sealed record ReportData
{
    public required CaptureRecord Record { get; init; }

    /// <summary>Memory before, during and after the capture, in order of time; any number of points.</summary>
    public IReadOnlyList<MemoryPoint> Memory { get; init; } = [];

    public IReadOnlyList<ThresholdLine> Thresholds { get; init; } = [];

    /// <summary>The top tables of what was captured, the one that matters first. A heap's gives the page its headline.</summary>
    public IReadOnlyList<ReportTable> Tables { get; init; } = [];

    /// <summary>The types that hold the target's managed heap; null: there is no such table.</summary>
    public TypeTable? Types { get; init; }

    /// <summary>When <see cref="Types"/> were seen, where a baseline stands in for a heap that could not be captured; null: they were captured.</summary>
    public DateTimeOffset? TypesBaselineAt { get; init; }

    /// <summary>The file that <see cref="Types"/> are from.</summary>
    public string TypesFile { get; init; } = ArtifactKeys.Types;

    /// <summary>What holds a .NET heap; null: its objects were not looked into.</summary>
    public ReportRetention? Retention { get; init; }

    /// <summary>What has grown since a baseline; null: there is none to compare with.</summary>
    public ReportGrowth? Growth { get; init; }

    /// <summary>Which types have grown since a baseline; null: there is none to compare with.</summary>
    public ReportTypeGrowth? TypeGrowth { get; init; }

    /// <summary>What each of the target's Go heap profiles has in all, baselines included.</summary>
    public IReadOnlyList<HeapPoint> Heaps { get; init; } = [];

    /// <summary>The collections of a Go program, up to its end or the capture's; none: they were not traced.</summary>
    public IReadOnlyList<GcCycle> Collections { get; init; } = [];

    /// <summary>Where the goroutines stand; null: not captured.</summary>
    public GoroutineGroups? Goroutines { get; init; }

    /// <summary>The flame graphs that the page's script draws, the one to begin with first.</summary>
    public IReadOnlyList<ReportFlame> Flames { get; init; } = [];

    /// <summary>What the kernel told of the target's process, as process.json has it; null: not captured.</summary>
    public JsonElement? Process { get; init; }

    /// <summary>The call graphs, by the file and the sample type that they are of.</summary>
    public IReadOnlyList<(string Title, CallGraph Graph)> Graphs { get; init; } = [];

    /// <summary>Why there is no flame graph, and no call graph, of what has stacks; null: nothing to say.</summary>
    public string? FlamesLeftOut { get; init; }
}
