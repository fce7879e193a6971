namespace Premortem.EndToEnd.Tests;

/// <summary>Specs that several stories apply, and fields of pods.</summary>
internal static class Policies
{
    /// <summary>As docs/ shows it, with a cooldown that fits the length of a test.</summary>
    public const string BeforeTheKill = """
        triggers:
          - {name: oom-ahead, timeToLimit: {within: 20s}}
          - {name: near-limit, memoryUsage: {threshold: 80%}}
        captures: [{type: Heap}, {type: Goroutine}, {type: Process}]
        limits: {cooldown: 3s, maxPerDay: 1000}
        """;

    /// <summary>The users of the samples' images, said in the pod: the sidecar is to be of the same.</summary>
    public const string GoUser = "securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532}";

    public const string DotNetUser = "securityContext: {runAsNonRoot: true, runAsUser: 1654, runAsGroup: 1654}";
}
