namespace Premortem.Profiles.Nettrace;

/// <summary>What a stream says once of all events of one kind.</summary>
/// <param name="Provider">Who writes them: <c>Microsoft-Windows-DotNETRuntime</c>.</param>
/// <param name="EventId">The provider's number for them.</param>
/// <param name="Name">Their name; empty for the runtime's own, which are known by their number.</param>
/// <param name="Keywords">Which of the provider's keywords ask for them.</param>
/// <param name="Version">The version of their payload: later ones have more at the end.</param>
/// <param name="Level">1 critical to 5 verbose.</param>
/// <param name="Fields">What their payload holds, as far as the stream says it.</param>
public sealed record NettraceEventType(
    string Provider, int EventId, string Name, ulong Keywords, int Version, int Level, IReadOnlyList<NettraceField> Fields)
{
    internal const string Runtime = "Microsoft-Windows-DotNETRuntime";

    /// <summary>Whether the runtime itself writes them.</summary>
    public bool IsRuntime { get; } = Provider == Runtime;
}
