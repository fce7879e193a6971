using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Carries what is in the spool to the store: artifacts as they come, the manifest when everything else of its capture is there. It
/// never gives up on what is complete: it waits longer between tries.
/// </summary>
/// <param name="stored">Told of a capture that is whole in its store, and where, before its files go.</param>
internal sealed class Uploader(Spool spool, Stores stores, TimeProvider time, ILogger<Uploader> log, Action<SpooledCapture, string>? stored = null) : IDisposable
{
    /// <summary>A store that has not answered by then is said not to.</summary>
    private static readonly TimeSpan CheckPatience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _wake = new(0);

    public void Dispose() => _wake.Dispose();

    /// <summary>Something was added to the spool.</summary>
    public void Wake() => _wake.Release();

    /// <summary>
    /// Works until <paramref name="ct"/> ends it, or until nothing is left to store once <paramref name="draining"/> says that nothing
    /// more will come. A failure of the store is logged and tried again.
    /// </summary>
    public async Task RunAsync(CancellationToken draining, CancellationToken ct)
    {
        var retry = FirstRetry;
        while (!ct.IsCancellationRequested)
        {
            var isDraining = draining.IsCancellationRequested;
            stores.DisposeOfRetired();
            var replaced = stores.Replaced;
            using var round = CancellationTokenSource.CreateLinkedTokenSource(ct, replaced);
            var isAll = await StoreAllAsync(round.Token);
            if (replaced.IsCancellationRequested)
            {
                retry = FirstRetry;
                continue;
            }
            if (isAll && isDraining)
                return;
            if (isAll && (isDraining || await CheckAsync(round.Token)))
            {
                retry = FirstRetry;
                await WaitAsync(null, draining, round.Token);
            }
            else
            {
                // Jitter: after an outage the sidecars of a whole cluster come back at once.
                var wait = (isDraining ? FirstRetry : retry) * (0.8 + (Random.Shared.NextDouble() * 0.4));
                retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
                await WaitAsync(wait, isDraining ? CancellationToken.None : draining, round.Token);
            }
        }
    }

    /// <summary>With nothing to store, tries the stores that nobody knows to be reachable. True where all are.</summary>
    private async Task<bool> CheckAsync(CancellationToken ct)
    {
        if (!stores.IsChecked)
            return true;
        var isAll = true;
        foreach (var place in stores.Doubtful)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
            patience.CancelAfter(CheckPatience);
            try
            {
                await place.Store!.CheckAsync(patience.Token);
                place.Succeeded();
                Log.StoreReachable(log, place.Location);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return false;
            }
            catch (Exception e) when (e is StoreException or OperationCanceledException)
            {
                isAll = false;
                var (reason, message) = e is StoreException failed ? (failed.Reason, failed.Message) : (Reasons.TimedOut, $"no answer within {CheckPatience.TotalSeconds:0} s");
                if (place.Status.Reason != reason)
                    Log.StoreUnreachable(log, place.Location, reason, message);
                place.Failed(reason, message);
            }
#pragma warning disable CA1031 // A mistake of ours in a check must not end the storing.
            catch (Exception e)
#pragma warning restore CA1031
            {
                isAll = false;
                Log.Unexpected(log, e, "checking a store");
                place.Failed(Reasons.Unexpected, e.Message);
            }
        }
        return isAll;
    }

    /// <param name="wait">For how long; null: until something is added.</param>
    private async Task WaitAsync(TimeSpan? wait, CancellationToken draining, CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(draining, ct);
        try
        {
            if (wait is { } atMost)
                await Task.Delay(atMost, time, either.Token);
            else
                await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            // The caller looks at both.
        }
    }

    /// <summary>One round over the spool. True when nothing is left that could be stored now.</summary>
    private async Task<bool> StoreAllAsync(CancellationToken ct)
    {
        // Newest first: its pod is dying now, what waits from before has waited already.
        var isAll = true;
        HashSet<Stores.Place>? failed = null;
        foreach (var capture in spool.Captures.Reverse())
        {
            // It waits for the settings to name a store, which wakes this; or for the one that has just failed another.
            if (stores.For(capture.Record.Target.Container) is not { Store: { } store } place || failed?.Contains(place) == true)
                continue;
            switch (await StoreAsync(capture, place, store, ct))
            {
                case Round.StoreFailed when ct.IsCancellationRequested:
                    return false;
                case Round.StoreFailed:
                    (failed ??= []).Add(place);
                    isAll = false;
                    break;
                case Round.CaptureFailed:
                    isAll = false;
                    break;
            }
        }
        return isAll;
    }

    private async Task<Round> StoreAsync(SpooledCapture capture, Stores.Place place, IArtifactStore store, CancellationToken ct)
    {
        var folder = capture.Record.Folder;
        try
        {
            capture.GoTo(place.Location);
            if (capture.IsRecovered)
                await store.AbandonUnfinishedAsync(folder, ct);
            capture.IsRecovered = false;
            // Asked again each time: artifacts are added while earlier ones are on their way.
            while (capture.Unstored is [var artifact, ..])
            {
                var started = time.GetTimestamp();
                await store.PutAsync(folder + artifact.Key, capture.PathOf(artifact.Key), artifact.Sha256!, ct);
                place.Succeeded();
                capture.MarkStored(artifact.Key);
                Log.Stored(log, store.Locate(folder + artifact.Key), artifact.Bytes, (long)time.GetElapsedTime(started).TotalMilliseconds);
            }
            if (capture is { IsFinal: true, Unstored.Count: 0 })
            {
                var (path, sha256) = capture.WriteManifest();
                await store.PutAsync(folder + Names.Manifest, path, sha256, ct);
                place.Succeeded();
                stored?.Invoke(capture, store.Locate(folder));
                capture.Remove();
                Log.CaptureStored(log, capture.Record.Id, store.Locate(folder), capture.Record.Phase);
            }
            return Round.Done;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return Round.StoreFailed;
        }
        catch (StoreException e)
        {
            Log.StoreFailed(log, capture.Record.Id, e.Reason, e.Message);
            place.Failed(e.Reason, e.Message);
            // What will pass is the store's trouble and everybody's; what will not may be this capture's alone.
            return e is { IsTransient: true, Reason: not Reasons.ContentMismatch } ? Round.StoreFailed : Round.CaptureFailed;
        }
        catch (SpoolException e)
        {
            Log.StoreFailed(log, capture.Record.Id, e.Reason, e.Message);
            return Round.CaptureFailed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.StoreFailed(log, capture.Record.Id, Reasons.Unexpected, e.Message);
            return Round.CaptureFailed;
        }
#pragma warning disable CA1031 // A mistake of ours over one capture must not end the storing of all.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.Unexpected(log, e, "storing a capture");
            return Round.CaptureFailed;
        }
    }

    /// <summary>How one capture's turn ended.</summary>
    private enum Round
    {
        Done,

        /// <summary>This one has to wait; others may go.</summary>
        CaptureFailed,

        /// <summary>No other would fare better now.</summary>
        StoreFailed,
    }
}
