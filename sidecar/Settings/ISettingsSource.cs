namespace Premortem.Sidecar.Settings;

/// <summary>Where the settings come from: a file that changes, or a policy that was given once.</summary>
internal interface ISettingsSource
{
    /// <summary>The newest that could be read; null: none yet.</summary>
    FollowedSettings? Newest { get; }

    /// <summary>Why what there is now is not followed; null: it is.</summary>
    string? Error { get; }

    /// <summary>Looks whether there are newer ones. Returns at once; what is read beside is told by <paramref name="changed"/>.</summary>
    void Look(Action changed);
}
