namespace Premortem.Sidecar.Settings;

/// <summary>Settings that never change: those of a policy on the command line.</summary>
internal sealed class FixedSettings(FollowedSettings settings) : ISettingsSource
{
    public FollowedSettings? Newest { get; } = settings;

    public string? Error => null;

    public void Look(Action changed)
    {
        // There is nothing to see.
    }
}
