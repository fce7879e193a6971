using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Settings;
using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar.Records;

/// <summary>What the sidecar says of itself, made of what the loop knows.</summary>
internal sealed class StatusOf
{
    /// <summary>The ceiling of a .NET program moves with what lies beside its heap: less than this share of it is no news.</summary>
    private const double CeilingThatMatters = 0.05;

    private readonly Dictionary<string, long> _told = [];

    public SidecarStatus Now(FollowedSettings? settings, string? error, StorageStatus? storage, IReadOnlyCollection<TargetWatch> watches)
    {
        var targets = new List<TargetStatus>();
        foreach (var watch in watches.Where(watch => watch.IsWatched))
            targets.Add(Of(watch));
        // What should be watched and is not there is what people ask after.
        foreach (var container in settings?.Containers ?? [])
            if (!targets.Exists(target => target.Container == container.Name) && settings!.For(container.Name) is not null)
                targets.Add(new TargetStatus(container.Name, null, null, "no process of it can be seen", null, null));
        targets.Sort((a, b) => string.CompareOrdinal(a.Container, b.Container));
        return new SidecarStatus { Revision = settings?.Revision, SettingsError = error, Storage = storage, Targets = targets, Version = Product.Version };
    }

    private TargetStatus Of(TargetWatch watch)
    {
        if (watch.Life is not { } life)
            return new TargetStatus(watch.Container, null, null, "it does not run now", null, null);
        return new TargetStatus(
            watch.Container,
            life.Identity.Runtime?.Kind is RuntimeKind.Go or RuntimeKind.DotNet ? life.Identity.Runtime.Kind : null,
            life.ProfilesAt,
            life.ProfilesAt is null ? life.Problem is { } problem ? $"{problem.Reason}: {problem.Detail}" : "they are being looked for" : null,
            watch.Last is null ? null : watch.Memory?.Name,
            Ceiling(watch));
    }

    private long? Ceiling(TargetWatch watch)
    {
        if (watch.Last?.CeilingBytes is not { } now)
            return null;
        if (_told.TryGetValue(watch.Key, out var told) && Math.Abs(now - told) < told * CeilingThatMatters)
            return told;
        return _told[watch.Key] = now;
    }
}
