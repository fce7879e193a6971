using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Recorder;

/// <summary>
/// Takes a cheap baseline of each target now and then, so that there is something to show even if the kill wins, and something to
/// compare every capture with. It keeps out of the way of captures, and within a budget of CPU time. The sampling thread calls it;
/// what it starts runs beside.
/// </summary>
internal sealed class FlightRecorder(BaselineShelf shelf, ProcFs proc, TimeProvider time, Random random, ILogger<FlightRecorder> log)
{
    /// <summary>When the ceiling is this near, a trigger is about to fire, and its capture is worth more.</summary>
    private static readonly TimeSpan TooNear = TimeSpan.FromSeconds(5);

    /// <summary>Growth by this share of the ceiling makes the next baseline worth taking sooner.</summary>
    private const double GrowthThatMatters = 0.125;

    /// <summary>When a target dies while one is taken, what had come by then is whole within moments.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private static readonly CaptureBounds Bounds = new() { MaxBytes = 16L << 20, MaxDecompressedBytes = 128L << 20, Allowance = TimeSpan.FromSeconds(10), Stall = TimeSpan.FromSeconds(5) };

    // Process ids and their start times begin anew with the machine, and the spool may outlive it.
    private readonly string _boot = KernelFile.TryOpen("/proc/sys/kernel/random/boot_id") is { } file ? ReadAndClose(file) : "";
    private readonly Dictionary<TargetLife, Recording> _recordings = [];

    /// <summary>The baselines of a life, newest first; of one that has ended, with what was being taken when it did.</summary>
    public async Task<IReadOnlyList<Baseline>> OfAsync(TargetWatch watch, TargetLife life)
    {
        var name = NameOf(watch, life);
        if (life.HasEnded && _recordings.TryGetValue(life, out var recording))
            await recording.Running.WaitAsync(LastWords, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return shelf.Of(name);
    }

    /// <summary>Decides after a sample whether a baseline is to be taken now.</summary>
    /// <param name="now">Monotonic time.</param>
    /// <returns>What to run beside the sampling; null: nothing.</returns>
    public Func<Task>? Next(TargetWatch watch, TargetLife life, in MemorySample sample, TimeSpan now, CancellationToken stopping)
    {
        _recordings.TryGetValue(life, out var recording);
        if ((watch.IsWatched ? watch.Spec.FlightRecorder : null) is not { } options)
            return recording is null ? null : End(watch, life);
        if (recording is null)
        {
            recording = new Recording(NameOf(watch, life), watch.Container, options, new RecorderPace(options.Every, now, random)) { CpuMark = CpuOf(life), MarkedAt = time.GetTimestamp() };
            var kept = shelf.Of(recording.Name);
            recording.LastBytes = kept is [var newest, ..] ? newest.Bytes : 0;
            recording.GoroutinesAreDue = !kept.Any(baseline => baseline.IsGoroutines);
            // The lives of this target before it are of no use to anybody.
            shelf.DropUnclaimed(TargetOf(watch));
            _recordings.Add(life, recording);
        }
        if (recording.Options != options && !recording.IsRunning)
            recording.Follow(options, new RecorderPace(options.Every, now, random));
        if (life.Source is not { } source || recording.IsRunning || watch.Sessions.Exists(session => !session.Session.Captured.IsCompleted))
            return null;
        var workingSet = sample.Reading.WorkingSetBytes;
        var hasGrown = recording.LastWorkingSet is { } last && sample.CeilingBytes is { } limit && workingSet - last >= limit * GrowthThatMatters;
        if (!recording.IsDue(now, hasGrown))
            return null;
        var step = BaselineStep.For(Conditions(life, recording, sample), recording.MayWalk, recording.LastBytes);
        if (watch.Engine.TimeToCeiling < TooNear + (step.Duration ?? TimeSpan.Zero)
            || (sample.CeilingBytes - sample.Reading.UnreclaimableBytes) / 2 < step.CostBytes)
            return null;
        recording.LastWorkingSet = workingSet;
        var withGoroutines = recording.GoroutinesAreDue && life.Identity.Runtime?.Kind == RuntimeKind.Go && watch.Spec.Captures.Any(capture => capture.Type == CaptureType.Goroutine);
        return recording.Begin(ct => TakeAsync(recording, life, source, step, withGoroutines, now, ct), stopping);
    }

    /// <summary>A capture of the life begins: nothing may compete with it. When the life is over, nothing does.</summary>
    public void MakeWay(TargetLife life)
    {
        if (!life.HasEnded && _recordings.TryGetValue(life, out var recording))
            recording.Cancel();
    }

    /// <summary>The life is over.</summary>
    /// <returns>What to run when its captures are complete.</returns>
    public Func<Task> End(TargetWatch watch, TargetLife life)
    {
        var name = NameOf(watch, life);
        _recordings.Remove(life, out var recording);
        return async () =>
        {
            if (recording is not null)
            {
                await recording.Running.WaitAsync(LastWords, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                recording.Cancel();
                await recording.Running;
            }
            shelf.Drop(name);
        };
    }

    private async Task TakeAsync(Recording recording, TargetLife life, ICaptureSource source, PlannedCapture step, bool withGoroutines, TimeSpan now, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        var (targetBefore, ownBefore) = (CpuOf(life), Environment.CpuUsage.TotalTime);
        var idle = time.GetElapsedTime(recording.MarkedAt, started);
        // What it spends anyway is no cost of ours.
        var usual = idle > TimeSpan.Zero ? (targetBefore - recording.CpuMark) / idle : 0;
        var (taken, failure) = await TakeAsync(recording, life, source, step, recording.Options.Keep, ct);
        if (withGoroutines && taken is not null && failure is null && !life.HasEnded)
        {
            // Once in a life and early, when there are as many as there ordinarily are: where they leak, a profile of them takes memory of the target.
            (var goroutines, failure) = await TakeAsync(recording, life, source, BaselineStep.Goroutines, keep: 1, ct);
            // Where a capture wanted its place, it is tried again.
            recording.GoroutinesAreDue = goroutines is null && ct.IsCancellationRequested;
        }
        var took = time.GetElapsedTime(started);
        var targetAfter = CpuOf(life);
        var cost = new BaselineCost(AtLeastZero(targetAfter - targetBefore - (took * usual)), Environment.CpuUsage.TotalTime - ownBefore);
        recording.Took(now + took, cost);
        (recording.CpuMark, recording.MarkedAt) = (targetAfter, time.GetTimestamp());
        Tell(recording, taken, failure, took, cost);
    }

    private async Task<(Baseline? Taken, (string Reason, string Detail)? Failure)> TakeAsync(
        Recording recording, TargetLife life, ICaptureSource source, PlannedCapture step, int keep, CancellationToken ct)
    {
        Baseline? taken = null;
        (string Reason, string Detail)? failure = null;
        try
        {
            using var file = shelf.Begin(recording.Name);
            var bounds = Bounds with { MaxBytes = Math.Min(Bounds.MaxBytes, shelf.MostBytes(recording.Options.Keep)) };
            var result = await source.CaptureAsync(step, file, bounds, ct);
            failure = result switch
            {
                CaptureResult.Failed failed => (failed.Reason, failed.Detail),
                CaptureResult.Partial partial when !life.HasEnded => (partial.Reason, partial.Detail),
                _ => null,
            };
            // A part of it tells something, too; but a part of the goroutines would be compared with all of them.
            if (result is not CaptureResult.Failed && file.Length > 0 && (step.Type != CaptureType.Goroutine || result is CaptureResult.Captured))
                taken = shelf.Complete(recording.Name, file, time.GetUtcNow(), ArtifactKeys.Of(step, life.Identity.Runtime?.Kind), Figures(life.Heap), keep);
            if (step.Variant == CaptureVariant.Snapshot)
                recording.Learn(result);
        }
        catch (SpoolException e)
        {
            failure = (e.Reason, e.Message);
        }
        catch (Exception e) when (ct.IsCancellationRequested && e is OperationCanceledException or ObjectDisposedException or IOException)
        {
            // A capture wanted its place, or the target is gone.
        }
        return (taken, failure);
    }

    private void Tell(Recording recording, Baseline? taken, (string Reason, string Detail)? failure, TimeSpan took, in BaselineCost cost)
    {
        if (taken is not null)
        {
            if (recording.LastBytes == 0)
                Log.Recording(log, recording.Container, taken.Bytes, (long)took.TotalMilliseconds, Durations.Format(recording.Options.Every));
            recording.LastBytes = taken.Bytes;
            Log.BaselineTaken(log, recording.Container, taken.Bytes, (long)took.TotalMilliseconds, (long)cost.Target.TotalMilliseconds, (long)cost.Sidecar.TotalMilliseconds);
        }
        // Once for each reason: what fails every minute would otherwise say so every minute.
        if (failure is var (reason, detail) && recording.Told.Add(reason))
            Log.NoBaseline(log, recording.Container, reason, detail);
        if (recording.Interval > recording.Options.Every * 1.5 && !recording.HasToldStretch)
        {
            recording.HasToldStretch = true;
            Log.BaselinesStretched(log, recording.Container, recording.Interval.TotalSeconds, (long)cost.Target.TotalMilliseconds, (long)cost.Sidecar.TotalMilliseconds);
        }
    }

    private CaptureConditions Conditions(TargetLife life, Recording recording, in MemorySample sample) => new()
    {
        Runtime = life.Identity.Runtime?.Kind,
        RuntimeVersion = life.Identity.Runtime?.Version,
        HeadroomBytes = CaptureConditions.Headroom(sample.Reading, sample.CeilingBytes, proc.AvailableBytes()),
        ResidentBytes = proc.Stat(life.Process.Pid)?.ResidentBytes,
        HeapBytes = CaptureConditions.Heap(life.Heap?.Use?.CommittedBytes, sample),
        Measured = recording.Costs.Now,
    };

    private static HeapFigures? Figures(HeapState? heap) => heap is null or { Use: null, LastCollection: null }
        ? null
        : new HeapFigures(heap.Use?.CommittedBytes, heap.AfterCollectionBytes, heap.Collections);

    private TimeSpan CpuOf(TargetLife life) => proc.Stat(life.Process.Pid)?.CpuTime ?? TimeSpan.Zero;

    private string NameOf(TargetWatch watch, TargetLife life) => FormattableString.Invariant($"{TargetOf(watch)}{life.Process.Pid}-{life.StartTicks}");

    /// <summary>What the names of all lives of a target begin with.</summary>
    private string TargetOf(TargetWatch watch) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{_boot} {watch.Key}")).AsSpan(0, 8)) + "-";

    private static string ReadAndClose(KernelFile file)
    {
        using (file)
            return Encoding.ASCII.GetString(file.Read());
    }

    private static TimeSpan AtLeastZero(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;

    /// <summary>What is remembered of one life. The pace is asked by the sampling thread and told by what runs beside it, never both at once.</summary>
    private sealed class Recording(string name, string container, FlightRecorderOptions options, RecorderPace pace)
    {
        private readonly Lock _lock = new();
        private CancellationTokenSource? _cancel;
        private RecorderPace _pace = pace;

        public string Name { get; } = name;

        public string Container { get; } = container;

        public FlightRecorderOptions Options { get; private set; } = options;

        public Task Running { get; private set; } = Task.CompletedTask;

        public bool IsRunning => !Running.IsCompleted;

        public TimeSpan Interval => _pace.Interval;

        public TimeSpan CpuMark { get; set; }

        public long MarkedAt { get; set; }

        public long LastBytes { get; set; }

        public long? LastWorkingSet { get; set; }

        /// <summary>Whether the life has no baseline of its goroutines, and none has failed.</summary>
        public bool GoroutinesAreDue { get; set; }

        public HashSet<string> Told { get; } = [];

        public bool HasToldStretch { get; set; }

        /// <summary>How many objects baselines have counted. A small heap says little of a large one: what captures go by is not this.</summary>
        public CaptureCosts Costs { get; } = new();

        /// <summary>Whether the heap may be walked: what was tried once and did not fit, or is not to be had, is not tried again.</summary>
        public bool MayWalk { get; private set; } = true;

        public void Learn(CaptureResult result)
        {
            if (result is CaptureResult.Captured { Types: { } types })
                Costs.Note(types);
            else
                MayWalk = false;
        }

        /// <summary>The policy has changed. Nothing is running.</summary>
        public void Follow(FlightRecorderOptions options, RecorderPace pace) => (Options, _pace) = (options, pace);

        public bool IsDue(TimeSpan now, bool hasGrown) => _pace.IsDue(now, hasGrown);

        public void Took(TimeSpan now, in BaselineCost cost) => _pace.Took(now, cost);

        public Func<Task> Begin(Func<CancellationToken, Task> take, CancellationToken stopping)
        {
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            lock (_lock)
                _cancel = cancel;
            Running = ended.Task;
            return async () =>
            {
                try
                {
                    await take(cancel.Token);
                }
                finally
                {
                    lock (_lock)
                        _cancel = null;
                    cancel.Dispose();
                    ended.SetResult();
                }
            };
        }

        public void Cancel()
        {
            // Whoever holds the lock finds it not disposed of yet. What is cancelled goes on elsewhere: the sampling thread has no time.
            lock (_lock)
                _ = _cancel?.CancelAsync();
        }
    }
}
