using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Settings;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// The stores that the newest settings name, and how they fare. A capture goes where the newest settings say, whenever it was made: that is
/// where people look, and whoever changes a policy because a bucket is unreachable wants what waits in the spool to arrive in the new one. While
/// no policy is there, the last ones' stores are kept, so that what was captured still gets out.
/// </summary>
/// <param name="isChecked">Whether a store is tried before there is anything to store, to be able to say how it fares.</param>
internal sealed class Stores(Func<Storage, IArtifactStore> open, bool isChecked) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Storage, Place> _places = [];
    private readonly List<Place> _retired = [];
    private FollowedSettings? _settings;
    private CancellationTokenSource _replaced = new();

    public bool IsChecked => isChecked;

    /// <summary>Cancelled when the stores have changed: what is on its way to an old one need not arrive there.</summary>
    public CancellationToken Replaced
    {
        get
        {
            lock (_lock)
                return _replaced.Token;
        }
    }

    /// <summary>One store for whatever is captured.</summary>
    public static Stores Of(IArtifactStore store)
    {
        var only = new DirectoryStorage("/");
        var stores = new Stores(_ => store, isChecked: false);
        stores.Follow(FollowedSettings.Of(new ProfilePolicy("", null, new ProfilePolicySpec { Triggers = [], Storage = only }), choosesContainers: false));
        return stores;
    }

    /// <summary>Opens what is new. Nothing is waited for.</summary>
    /// <returns>What cannot be opened, with the reason: such a store fails until the settings change.</returns>
    public IReadOnlyList<Place> Follow(FollowedSettings settings)
    {
        if (settings.Policies.Count == 0)
            return [];
        var broken = new List<Place>();
        CancellationTokenSource? former = null;
        lock (_lock)
        {
            _settings = settings;
            var wanted = settings.Policies.Select(policy => policy.Spec.Storage).ToHashSet();
            foreach (var (storage, place) in _places.Where(pair => !wanted.Contains(pair.Key)).ToList())
            {
                _places.Remove(storage);
                // Disposed of by whoever uses it, when nothing is on its way there.
                _retired.Add(place);
                former = _replaced;
            }
            foreach (var storage in wanted.Where(storage => !_places.ContainsKey(storage)))
            {
                var place = Open(storage);
                _places.Add(storage, place);
                former = _replaced;
                if (place.Store is null)
                    broken.Add(place);
            }
            if (former is not null)
                _replaced = new CancellationTokenSource();
        }
        former?.Cancel();
        return broken;
    }

    /// <summary>Where the captures of a container go; null: nobody has said yet.</summary>
    public Place? For(string container)
    {
        lock (_lock)
            return (_settings?.For(container)?.Spec.Storage ?? _settings?.Storage) is { } storage ? _places.GetValueOrDefault(storage) : null;
    }

    /// <summary>Those that nobody has heard of yet, or that failed last.</summary>
    public IReadOnlyList<Place> Doubtful
    {
        get
        {
            lock (_lock)
                return [.. _places.Values.Where(place => place is { Store: not null, Reachable: not true })];
        }
    }

    /// <summary>How they fare: of several, the one that fails; null: there is none.</summary>
    public StorageStatus? Status
    {
        get
        {
            lock (_lock)
                return (_places.Values.FirstOrDefault(place => place.Reachable == false)
                    ?? (_settings?.Storage is { } storage ? _places.GetValueOrDefault(storage) : null))?.Status;
        }
    }

    /// <summary>Lets go of what is no longer named. Nothing may be on its way there.</summary>
    public void DisposeOfRetired()
    {
        lock (_lock)
        {
            foreach (var place in _retired)
                place.Store?.Dispose();
            _retired.Clear();
        }
    }

    public void Dispose()
    {
        DisposeOfRetired();
        foreach (var place in _places.Values)
            place.Store?.Dispose();
        _replaced.Dispose();
    }

    private Place Open(Storage storage)
    {
        try
        {
            var store = open(storage);
            return new Place(store, store.Locate(""));
        }
        catch (StoreException e)
        {
            var place = new Place(null, storage is S3Storage s3 ? $"s3://{s3.Bucket}/" : "");
            place.Failed(e.Reason, e.Message);
            return place;
        }
    }

    /// <summary>One store and how it fared last.</summary>
    /// <param name="store">Null where it cannot be opened.</param>
    internal sealed class Place(IArtifactStore? store, string location)
    {
        private volatile StorageStatus _status = new(null, location, null, null);

        public IArtifactStore? Store { get; } = store;

        public string Location { get; } = location;

        public StorageStatus Status => _status;

        /// <summary>Null: nothing was tried yet.</summary>
        public bool? Reachable => _status.Reachable;

        public void Succeeded()
        {
            if (_status.Reachable != true)
                _status = new StorageStatus(true, Location, null, null);
        }

        public void Failed(string reason, string message) => _status = new StorageStatus(false, Location, reason, message);
    }
}
