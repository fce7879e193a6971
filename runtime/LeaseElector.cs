using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// One of several replicas leads, by a Lease. The lead ends before anybody else can take it over: on a clock of this program alone, and its
/// token is cancelled then. A graceful stop gives the lease away.
/// </summary>
/// <remarks>
/// As in client-go, a lease of somebody else has run out when it has not changed for its whole duration on the clock here; the times in it are never
/// believed, so that clocks may differ. Every write names the version it was decided on, so that of two writers one is refused. What is counted from is the moment
/// before a renewal was sent, which is earlier than anybody can have seen it.
/// </remarks>
public sealed class LeaseElector(IKubernetes client, LeaseOptions options, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan ReleaseTimeout = TimeSpan.FromSeconds(3);

    private readonly ResourceApi<Lease> _leases = new(client, Lease.Type);
    private readonly ResourceKey _key = new(options.Namespace, options.Name);
    private volatile string? _leader;
    private volatile bool _leads;
    private LeaseSpec? _seen;
    private long _seenAt, _renewedAt;

    /// <summary>Whether this one leads, and the time it holds for has not passed.</summary>
    public bool IsLeader => _leads && !HasRunOut;

    /// <summary>Who leads, as far as this one knows.</summary>
    public string? Leader => _leader;

    private bool HasRunOut => time.GetElapsedTime(Volatile.Read(ref _renewedAt)) >= options.RenewDeadline;

    /// <summary>
    /// Until it is cancelled, or until <paramref name="lead"/> has ended. <paramref name="lead"/> runs while this one leads; its token is cancelled when the lead is lost,
    /// and then this method throws <see cref="LeadershipLostException"/>: the process is to end and to start anew.
    /// </summary>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken ct)
    {
        if (options.RenewDeadline >= options.Duration || options.RetryPeriod >= options.RenewDeadline)
            throw new ArgumentException($"{nameof(options.RetryPeriod)} {options.RetryPeriod} < {nameof(options.RenewDeadline)} {options.RenewDeadline} < {nameof(options.Duration)} {options.Duration} has to hold");
        Lease held;
        try
        {
            held = await AcquireAsync(ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return;
        }
        await LeadAsync(held, lead, ct);
    }

    private async Task<Lease> AcquireAsync(CancellationToken ct)
    {
        var saidWhy = false;
        while (true)
        {
            try
            {
                if (await TryAcquireAsync(ct) is { } held)
                    return held;
                saidWhy = false;
            }
            catch (ApiException e) when (e.IsConflict || e.IsAlreadyExists)
            {
                // Somebody was faster.
            }
            catch (ApiException e)
            {
                if (!saidWhy)
                    Log.LeaseFailed(log, _key.ToString(), e.Message);
                saidWhy = true;
            }
            // Not all that wait at the same moment.
            await Task.Delay(options.RetryPeriod * (1 + (0.2 * Random.Shared.NextDouble())), time, ct);
        }
    }

    private async Task<Lease?> TryAcquireAsync(CancellationToken ct)
    {
        var lease = await _leases.GetAsync(_key, ct);
        var asked = time.GetTimestamp();
        var now = Lease.MicroTime(time.GetUtcNow());
        var mine = new LeaseSpec
        {
            HolderIdentity = options.Identity,
            LeaseDurationSeconds = (int)Math.Ceiling(options.Duration.TotalSeconds),
            AcquireTime = now,
            RenewTime = now,
            LeaseTransitions = 0,
        };
        if (lease is null)
        {
            lease = await _leases.CreateAsync(new Lease { Metadata = new ObjectMeta { Name = options.Name }, Spec = mine }, options.Namespace, ct);
            return Took(lease, asked);
        }
        var theirs = lease.Spec ?? new LeaseSpec();
        if (theirs != _seen)
            (_seen, _seenAt) = (theirs, asked);
        _leader = string.IsNullOrEmpty(theirs.HolderIdentity) ? null : theirs.HolderIdentity;
        var holds = theirs.LeaseDurationSeconds is { } seconds && TimeSpan.FromSeconds(seconds) > options.Duration ? TimeSpan.FromSeconds(seconds) : options.Duration;
        // One's own is that of a write whose answer was lost.
        if (_leader is not null && _leader != options.Identity && time.GetElapsedTime(_seenAt, asked) < holds)
            return null;
        lease = await _leases.PatchAsync(
            _key, Write(lease, mine with { LeaseTransitions = (theirs.LeaseTransitions ?? 0) + (_leader == options.Identity ? 0 : 1) }), ct);
        return Took(lease, asked);
    }

    private Lease Took(Lease lease, long asked)
    {
        Volatile.Write(ref _renewedAt, asked);
        _leader = options.Identity;
        return lease;
    }

    private async Task LeadAsync(Lease held, Func<CancellationToken, Task> lead, CancellationToken ct)
    {
        // Ends the lead by itself when its time has passed, whatever the renewing waits for.
        using var leading = new CancellationTokenSource(Remaining(), time);
        await using var stopping = ct.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), leading);
        using var ended = new CancellationTokenSource();
        _leads = true;
        Log.Leads(log, _key.ToString(), options.Identity);
        var work = Task.Run(() => lead(leading.Token), CancellationToken.None);
        var renewing = RenewAsync(held, leading, ended.Token);
        var isLost = await Task.WhenAny(work, renewing) == renewing;
        try
        {
            if (isLost)
            {
                await leading.CancelAsync();
                // Until now nobody else can have it; whoever has not stopped by then is stopped by the end of the process.
                await work.WaitAsync(options.Duration - options.RenewDeadline, time, CancellationToken.None);
            }
            else
                await work;
        }
        catch (Exception e) when ((e is OperationCanceledException && leading.IsCancellationRequested) || (isLost && e is TimeoutException))
        {
        }
        finally
        {
            await ended.CancelAsync();
            _leads = false;
            if (await renewing is { } last && !HasRunOut)
                await ReleaseAsync(last);
        }
        // With the token cancelled by the clock, and not by the caller, the work may end before the renewing does.
        if (isLost || (leading.IsCancellationRequested && !ct.IsCancellationRequested))
        {
            Log.LeadLost(log, _key.ToString(), options.Identity);
            throw new LeadershipLostException($"{options.Identity} no longer holds the lease {_key}");
        }
    }

    /// <summary>Until it is told that the work has ended, or until the lead is lost.</summary>
    /// <returns>The lease as it was last written; null: it is lost.</returns>
    private async Task<Lease?> RenewAsync(Lease held, CancellationTokenSource leading, CancellationToken ended)
    {
        try
        {
            while (true)
            {
                await Task.Delay(options.RetryPeriod, time, ended);
                if (HasRunOut)
                    return null;
                var asked = time.GetTimestamp();
                // One that hangs leaves time for another.
                using var bounded = new CancellationTokenSource(options.RenewDeadline / 2, time);
                using var attempt = CancellationTokenSource.CreateLinkedTokenSource(bounded.Token, ended);
                try
                {
                    var renewed = await TryRenewAsync(held, attempt.Token);
                    if (renewed is null || HasRunOut)
                        return null;
                    held = renewed;
                    Volatile.Write(ref _renewedAt, asked);
                    // A token that the stop has cancelled stays so; the lease is kept until the work has ended.
                    leading.CancelAfter(Remaining());
                }
                catch (ApiException e)
                {
                    Log.LeaseFailed(log, _key.ToString(), e.Message);
                }
                catch (OperationCanceledException) when (!ended.IsCancellationRequested)
                {
                    Log.LeaseFailed(log, _key.ToString(), "no answer");
                }
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            return held;
        }
    }

    private async Task<Lease?> TryRenewAsync(Lease held, CancellationToken ct)
    {
        while (true)
            try
            {
                return await _leases.PatchAsync(_key, Write(held, held.Spec! with { RenewTime = Lease.MicroTime(time.GetUtcNow()) }), ct);
            }
            catch (ApiException e) when (e.IsConflict || e.IsNotFound)
            {
                // Someone else took it; or wrote something else into it, or the answer to a write of one's own was lost.
                var found = await _leases.GetAsync(_key, ct);
                _leader = found?.Spec?.HolderIdentity;
                if (found is null || _leader != options.Identity)
                    return null;
                held = found;
            }
    }

    private async Task ReleaseAsync(Lease held)
    {
        using var bounded = new CancellationTokenSource(ReleaseTimeout);
        try
        {
            // The API refuses a duration of 0.
            await _leases.PatchAsync(
                _key, Write(held, held.Spec! with { HolderIdentity = "", LeaseDurationSeconds = 1, RenewTime = Lease.MicroTime(time.GetUtcNow()) }), bounded.Token);
            _leader = null;
            Log.Released(log, _key.ToString(), options.Identity);
        }
        catch (Exception e) when (e is ApiException or OperationCanceledException)
        {
            Log.LeaseFailed(log, _key.ToString(), e.Message);
        }
    }

    private TimeSpan Remaining()
    {
        var left = options.RenewDeadline - time.GetElapsedTime(Volatile.Read(ref _renewedAt));
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static ResourcePatch.Merge Write(Lease decidedOn, LeaseSpec spec) => new(new { metadata = new { decidedOn.Metadata.ResourceVersion }, spec });
}

/// <param name="Identity">Names this replica: the pod's name and something unique.</param>
public sealed record LeaseOptions(string Namespace, string Name, string Identity)
{
    /// <summary>How long a lease holds that is not renewed.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long renewing may fail until the lead is given up; less than <see cref="Duration"/>.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);
}

public sealed class LeadershipLostException(string message) : Exception(message);
