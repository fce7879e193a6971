using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Records;

/// <summary>
/// Tells the operator of captures and of the sidecar itself, for as long as it takes. Nothing waits for it: a capture needs no operator.
/// </summary>
/// <param name="queue">The reports that nobody has taken yet.</param>
internal sealed class Reporter(ReportQueue queue, string tokenFile, TimeProvider time, ILogger<Reporter> log) : IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(1);

    /// <summary>Where somebody has to change something first.</summary>
    private static readonly TimeSpan FirstSlowRetry = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LongestSlowRetry = TimeSpan.FromMinutes(5);

    /// <summary>A sidecar whose state changes all the time says so in steps.</summary>
    private static readonly TimeSpan BetweenStatuses = TimeSpan.FromSeconds(5);

    /// <summary>At the end: whatever is not taken by then is told by the next start on this spool.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _wake = new(0);
    private ReportSettings? _settings;
    private ReportClient? _client;
    private ReportSettings? _opened;
    private bool _isFollowing;
    private byte[]? _status;
    private byte[]? _statusTaken;
    private long _statusTakenAt = time.GetTimestamp();
    private string? _toldTrouble;

    /// <summary>Whether somebody wants to hear anything.</summary>
    public bool IsWanted => Volatile.Read(ref _settings) is not null;

    private bool IsInVain => Volatile.Read(ref _isFollowing) && !IsWanted;

    /// <summary>From now on these are the settings; null: nobody wants reports, and those that wait are of no use.</summary>
    public void Follow(ReportSettings? settings)
    {
        lock (_lock)
        {
            if (_isFollowing && settings == _settings)
                return;
            (_isFollowing, _settings, _statusTaken) = (true, settings, null);
        }
        if (settings is null)
            queue.Clear();
        _wake.Release();
    }

    /// <summary>What there is of a capture now.</summary>
    /// <param name="location">Where it is stored; null: it is not.</param>
    /// <param name="as">What the report says otherwise than the record.</param>
    public void Tell(SpooledCapture capture, string? location = null, Func<CaptureRecord, CaptureRecord>? @as = null)
    {
        if (!IsInVain)
            Tell(capture.NextReport(location, @as));
    }

    /// <summary>The newest of a capture. Until it is known whether anybody wants to hear of it, it is kept.</summary>
    public void Tell(CaptureReport report)
    {
        if (IsInVain)
            return;
        if (queue.Put(report) is > 0 and var given)
            Log.ReportsGivenUp(log, given);
        _wake.Release();
    }

    /// <summary>What the sidecar says of itself now. Told when it has changed.</summary>
    public void Tell(SidecarStatus status)
    {
        var content = JsonSerializer.SerializeToUtf8Bytes(status, ContractsJson.Compact.SidecarStatus);
        lock (_lock)
        {
            if (_status is { } known && known.AsSpan().SequenceEqual(content))
                return;
            _status = content;
        }
        _wake.Release();
    }

    /// <summary>What the log of a container of this pod has of collections of Go: only the operator can read it.</summary>
    /// <param name="stopping">From then on it is waited for as briefly as for anything else.</param>
    /// <returns>The lines, or why there are none.</returns>
    public async Task<(byte[]? Lines, string? Problem)> AskCollectionsAsync(string container, DateTimeOffset since, DateTimeOffset until, CancellationToken stopping)
    {
        if (Volatile.Read(ref _settings) is not { } settings)
            return (null, "only the operator can read the log of another container, and this sidecar has none");
        using var patience = new CancellationTokenSource();
        await using var brief = stopping.Register(() => patience.CancelAfter(LastWords));
        try
        {
            using var client = ReportClient.Open(settings, tokenFile, time);
            return await client.GetAsync(
                string.Create(CultureInfo.InvariantCulture, $"{ReportPaths.GcTraces}{Uri.EscapeDataString(container)}?since={since.UtcDateTime:O}&until={until.UtcDateTime:O}"),
                ReportPaths.MaxGcTraceBytes,
                patience.Token);
        }
        catch (FormatException e)
        {
            return (null, e.Message);
        }
        catch (OperationCanceledException)
        {
            return (null, "the operator did not answer before the sidecar had to end");
        }
    }

    /// <summary>Works until <paramref name="ct"/> ends it. Once <paramref name="draining"/> says that nothing more will come, all is tried once more, briefly.</summary>
    public async Task RunAsync(CancellationToken draining, CancellationToken ct)
    {
        var (retry, slowRetry) = (FirstRetry, FirstSlowRetry);
        try
        {
            while (!draining.IsCancellationRequested)
            {
                var (followed, client) = Client();
                var trouble = client is null ? null : await SendAllAsync(client, isLast: false, draining, ct);
                if (trouble is null)
                {
                    if (client is not null)
                        _toldTrouble = null;
                    (retry, slowRetry) = (FirstRetry, FirstSlowRetry);
                    await WaitAsync(StatusDueIn(client), followed, isRetry: false, draining);
                    continue;
                }
                if (trouble.Detail != _toldTrouble && !draining.IsCancellationRequested)
                    Log.ReportFailed(log, queue.Count, trouble.Detail);
                _toldTrouble = trouble.Detail;
                TimeSpan wait;
                if (trouble.IsSlow)
                    (wait, slowRetry) = (slowRetry, Shorter(slowRetry * 2, LongestSlowRetry));
                else
                    (wait, retry) = (trouble.After ?? retry, Shorter(retry * 2, LongestRetry));
                // Jitter: when the operator comes back, so do the sidecars of a whole cluster. Never sooner than it asked for.
                await WaitAsync(wait * (trouble.After is null ? 0.8 + (Random.Shared.NextDouble() * 0.4) : 1 + (Random.Shared.NextDouble() * 0.2)), followed, isRetry: true, draining);
            }
            if (Client().Client is { } last)
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
                patience.CancelAfter(LastWords);
                await SendAllAsync(last, isLast: true, patience.Token, patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // What is left is in the spool.
        }
    }

    public void Dispose()
    {
        _client?.Dispose();
        _wake.Dispose();
    }

    /// <summary>The client for the present settings. Only the one who sends opens and disposes of them.</summary>
    private (ReportSettings? Followed, ReportClient? Client) Client()
    {
        var settings = Volatile.Read(ref _settings);
        if (settings == _opened)
            return (settings, _client);
        _client?.Dispose();
        (_client, _opened, _toldTrouble) = (null, settings, null);
        if (settings is null)
            return (null, null);
        try
        {
            _client = ReportClient.Open(settings, tokenFile, time);
        }
        catch (FormatException e)
        {
            Log.ReportSettingsUnusable(log, e.Message);
        }
        return (settings, _client);
    }

    /// <returns>Why not everything was taken; null: it was, or never will be.</returns>
    private async Task<ReportAnswer.Later?> SendAllAsync(ReportClient client, bool isLast, CancellationToken draining, CancellationToken ct)
    {
        ReportAnswer.Later? trouble = null;
        foreach (var entry in queue.Waiting)
        {
            if (queue.ContentOf(entry) is not { } content)
            {
                queue.Remove(entry);
                continue;
            }
            switch (await client.PutAsync(ReportPaths.Captures + entry.Id, content, ct))
            {
                case ReportAnswer.Taken:
                    Log.Reported(log, entry.Id, entry.Sequence);
                    queue.Remove(entry);
                    break;
                case ReportAnswer.Refused refused:
                    Log.ReportRefused(log, entry.Id, refused.Detail);
                    queue.Remove(entry);
                    break;
                case ReportAnswer.Later { IsOfThisOne: true } later when !draining.IsCancellationRequested:
                    trouble = later;
                    break;
                case ReportAnswer.Later later:
                    return later;
            }
        }
        if (isLast || StatusDueIn(client) != TimeSpan.Zero)
            return trouble;
        var status = Volatile.Read(ref _status)!;
        switch (await client.PutAsync(ReportPaths.Status, status, ct))
        {
            case ReportAnswer.Later later:
                return later;
            case ReportAnswer.Refused refused:
                Log.ReportRefused(log, "status", refused.Detail);
                break;
        }
        lock (_lock)
            (_statusTaken, _statusTakenAt) = (status, time.GetTimestamp());
        return trouble;
    }

    /// <summary>When what the sidecar says of itself is to be told; null: nothing of it is new.</summary>
    private TimeSpan? StatusDueIn(ReportClient? client)
    {
        lock (_lock)
        {
            if (client is null || _status is null || _status == _statusTaken)
                return null;
            // The first one, too: in its first moments a sidecar learns something new all the time.
            var since = time.GetElapsedTime(_statusTakenAt);
            return since < BetweenStatuses ? BetweenStatuses - since : TimeSpan.Zero;
        }
    }

    /// <param name="wait">For how long at most; null: until there is something to tell.</param>
    /// <param name="isRetry">Whether only other settings end it early: that there is more to tell does not make the operator come back.</param>
    private async Task WaitAsync(TimeSpan? wait, ReportSettings? followed, bool isRetry, CancellationToken draining)
    {
        var began = time.GetTimestamp();
        try
        {
            while (Left() is var left && left != TimeSpan.Zero)
            {
                await WokenAsync(left, draining);
                if (!isRetry || Volatile.Read(ref _settings) != followed)
                    return;
            }
        }
        catch (OperationCanceledException) when (draining.IsCancellationRequested)
        {
            // The caller looks at it.
        }

        TimeSpan? Left() => wait is { } atMost ? (atMost - time.GetElapsedTime(began) is { Ticks: > 0 } rest ? rest : TimeSpan.Zero) : null;
    }

    private async Task WokenAsync(TimeSpan? atMost, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(atMost ?? Timeout.InfiniteTimeSpan, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            await _wake.WaitAsync(over.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // The time is over.
        }
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
