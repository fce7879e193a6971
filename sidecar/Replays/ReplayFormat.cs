namespace Premortem.Sidecar.Replays;

/// <summary>How <c>replay</c> says what it found.</summary>
internal enum ReplayFormat
{
    Text,
    Json,
}
