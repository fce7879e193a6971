namespace Premortem.Contracts.Policies;

/// <summary>A <c>ProfilePolicy</c> document: which pods to watch, what fires, what to capture and where to put it.</summary>
public sealed record ProfilePolicy(string Name, string? Namespace, ProfilePolicySpec Spec)
{
    public const string ApiVersion = "premortem.dev/v1alpha1";
    public const string Kind = "ProfilePolicy";

    /// <summary>The same for pods of many namespaces.</summary>
    public const string ClusterKind = "ClusterProfilePolicy";

    public bool IsClusterWide { get; init; }

    /// <summary>With what names it, for <see cref="PolicyMerge"/>.</summary>
    public ReadPolicy AsRead() => new(IsClusterWide ? ClusterKind : Kind, Name, Namespace, Spec);
}

/// <summary>The <c>spec</c> of a policy, with every default filled in.</summary>
public sealed record ProfilePolicySpec
{
    /// <summary>Names of the containers to watch; empty means every one but the sidecars.</summary>
    public IReadOnlyList<string> Containers { get; init; } = [];

    public RuntimeKind Runtime { get; init; } = RuntimeKind.Auto;

    public required IReadOnlyList<Trigger> Triggers { get; init; }

    public IReadOnlyList<CaptureRequest> Captures { get; init; } = DefaultCaptures;

    public CaptureLimits Limits { get; init; } = new();

    /// <summary>The rolling baseline; null: none is kept.</summary>
    public FlightRecorderOptions? FlightRecorder { get; init; }

    public GoOptions Go { get; init; } = new();

    public required Storage Storage { get; init; }

    public SidecarOptions Sidecar { get; init; } = new();

    /// <summary>How many <c>ProfileCapture</c> objects of this policy are kept.</summary>
    public int HistoryLimit { get; init; } = DefaultHistoryLimit;

    /// <summary>The fields of the spec that the document has; all others have their defaults. It decides what wins where policies meet.</summary>
    public IReadOnlySet<string> Said { get; init; } = new HashSet<string>();

    public const int DefaultHistoryLimit = 50;

    public static IReadOnlyList<CaptureRequest> DefaultCaptures { get; } =
    [
        new(CaptureType.Heap),
        new(CaptureType.Goroutine),
        new(CaptureType.Process),
        new(CaptureType.Cpu, TimeSpan.FromSeconds(10)),
    ];
}

public enum RuntimeKind
{
    Auto,
    Go,
    DotNet,
}

/// <summary>What a capture brings home. The names are those that users type.</summary>
public enum CaptureType
{
    Heap,
    Cpu,
    Allocs,
    Goroutine,
    ThreadCreate,
    Block,
    Mutex,
    Trace,
    Dump,
    GcTrace,
    Process,
}

/// <summary>What a dump holds, in the words of <c>dotnet-dump</c>.</summary>
public enum DumpType
{
    Triage,
    Heap,
    Full,
}

/// <param name="Type">What to capture.</param>
/// <param name="Duration">For how long, where the type takes time (<c>Cpu</c>, <c>Trace</c>); null elsewhere.</param>
public sealed record CaptureRequest(CaptureType Type, TimeSpan? Duration = null)
{
    /// <summary>What a <see cref="CaptureType.Dump"/> holds; the field is <c>dumpType</c>.</summary>
    public DumpType DumpType { get; init; } = DumpType.Heap;

    public static readonly TimeSpan DefaultCpuDuration = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan DefaultTraceDuration = TimeSpan.FromSeconds(1);

    /// <summary>Whether that runtime can have it at all. A policy may serve several runtimes, and names what any of them has.</summary>
    public static bool IsFor(CaptureType type, RuntimeKind runtime) => type switch
    {
        CaptureType.Heap or CaptureType.Cpu or CaptureType.Process => true,
        CaptureType.Dump or CaptureType.GcTrace => runtime == RuntimeKind.DotNet,
        _ => runtime == RuntimeKind.Go,
    };

    public static bool TakesTime(CaptureType type) => type is CaptureType.Cpu or CaptureType.Trace or CaptureType.GcTrace;
}

/// <param name="Every">How often a baseline is taken.</param>
/// <param name="Keep">How many are kept at most.</param>
public sealed record FlightRecorderOptions(TimeSpan Every, int Keep)
{
    public const int DefaultKeep = 2;
    public static readonly TimeSpan DefaultEvery = TimeSpan.FromSeconds(60);
}

public sealed record CaptureLimits
{
    /// <summary>The least time between two captures of one trigger on one target.</summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The most captures of one target in any 24 hours.</summary>
    public int MaxPerDay { get; init; } = 24;

    /// <summary>The most bytes that captures may hold on the spool's disk until they are stored.</summary>
    public long SpoolBytes { get; init; } = 512L * 1024 * 1024;
}

/// <param name="Port">The port of <c>net/http/pprof</c>; null: found by itself from the listening sockets.</param>
/// <param name="Path">The path under which the profiles stand.</param>
/// <param name="GcTrace">Whether the program tells each of its collections (<c>GODEBUG=gctrace=1</c>), and captures have them.</param>
public sealed record GoOptions(int? Port = null, string Path = GoOptions.DefaultPath, bool GcTrace = false)
{
    public const string DefaultPath = "/debug/pprof";
}
