using System.Globalization;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// One capture from the trigger to the final record: captures by plan, waits for what becomes of the target, completes the record.
/// Everything captured is in the spool, and on its way to the store, as soon as it is whole.
/// </summary>
/// <param name="isBeside">Whether another capture of this target still takes a CPU profile or a trace: a program makes one at a time.</param>
/// <param name="baselines">What the flight recorder has of this life, newest first: it goes with the capture. Of a target that lives it is known at once.</param>
/// <param name="request">Who asked for it; null: a trigger did.</param>
internal sealed class CaptureSession(
    CaptureSession.Surroundings around,
    TargetLife life,
    FiredTrigger trigger,
    MemoryAtTrigger memory,
    TimeSpan? timeLeft,
    bool isBeside,
    Task<IReadOnlyList<Baseline>> baselines,
    RequestReference? request = null)
{
    /// <summary>Memory that fills so much of the ceiling has come to it.</summary>
    private const double AtCeiling = 0.95;

    private static readonly TimeSpan YoungFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SourcePatience = TimeSpan.FromSeconds(3);

    /// <summary>How long the outcome is awaited where no time to the ceiling is predicted, and at most.</summary>
    private static readonly TimeSpan LeastAftermath = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestAftermath = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AtCeilingFor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestAtCeiling = TimeSpan.FromMinutes(2);

    /// <summary>An end that the kernel tells of is seen by then.</summary>
    private static readonly TimeSpan SeenWithin = TimeSpan.FromSeconds(2);

    /// <summary>The kubelet's clock is this machine's, and stamps a line when it reads it.</summary>
    private static readonly TimeSpan ClockSlack = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly List<FiredTrigger> _alsoFired = [];
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _captured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _hasInstant;
    private DumpFolderSearch? _dumps;
    private CaptureRecord? _record;

    /// <summary>What every session works with.</summary>
    /// <param name="Costs">What captures have cost this target, through all its lives.</param>
    /// <param name="MemoryLimitBytes">A limit that was given by hand.</param>
    /// <param name="Dumps">A volume that the targets see too, where runtimes can write dumps; null: none.</param>
    /// <param name="StopCaptures">Cancelled when the sidecar has to end and no capture may go on.</param>
    /// <param name="Stopping">Cancelled when the sidecar was asked to end: outcomes are no longer awaited.</param>
    internal sealed record Surroundings(
        PolicyReference Policy,
        ProfilePolicySpec Spec,
        Reporter Reporter,
        Spool Spool,
        Uploader Uploader,
        MemoryTimeline Timeline,
        RecordWriter Records,
        CaptureCosts Costs,
        ProcFs Proc,
        long? MemoryLimitBytes,
        DumpFolder? Dumps,
        TimeProvider Time,
        ILogger<CaptureSession> Log,
        CancellationToken Stopping,
        CancellationToken StopCaptures);

    public TargetLife Life => life;

    /// <summary>Ends when the capture is in the spool, where it survives, or cannot be.</summary>
    public Task Begun => _begun.Task;

    /// <summary>Ends when nothing more is being captured.</summary>
    public Task Captured => _captured.Task;

    /// <summary>
    /// Whether what takes no time is captured already. Until then a further trigger is served by this capture; from then on it is worth
    /// one of its own: memory has grown, and the newest heap says most.
    /// </summary>
    public bool HasInstant => _hasInstant || _captured.Task.IsCompleted;

    /// <summary>A further trigger fired while this capture is under way, and is served by it.</summary>
    public void Join(FiredTrigger also)
    {
        lock (_lock)
            _alsoFired.Add(also);
    }

    public async Task RunAsync()
    {
        SpooledCapture? capture = null;
        try
        {
            capture = around.Spool.Create(NewRecord(), request);
            _begun.TrySetResult();
            await AwaitSourceAsync();
            PlannedCapture[] plan = [.. CapturePlanner.Plan(around.Spec.Captures, Conditions())];
            if (life.HasEnded && await baselines is [var newest, ..])
                plan = [.. plan.Select(step => step.Type == CaptureType.Heap ? step with { Detail = $"{step.Detail}; {Age(newest)}" } : step)];
            capture.Update(record => record with { Plan = plan }, durable: false);
            // What the target has to give comes first, and while it records what takes time there is time for what lies here already.
            var adding = Task.CompletedTask;
            for (var i = 0; i < plan.Length; i++)
            {
                // Another's memory was taken, and the target has grown, since the plan was made: what no longer fits is not risked.
                var step = i == 0 ? plan[i] : CapturePlanner.Revise(plan[i], Conditions());
                if (step != plan[i])
                {
                    plan = [.. plan[..i], step, .. plan[(i + 1)..]];
                    var revised = plan;
                    capture.Update(record => record with { Plan = revised }, durable: false);
                }
                if (step.Decision == PlanDecisions.Skipped)
                    continue;
                if (step.Duration is not null && !_hasInstant)
                {
                    _hasInstant = true;
                    adding = Task.Run(() => AddBaselinesAsync(capture));
                    Tell(capture, plan);
                }
                await CaptureAsync(capture, step);
            }
            if (!_hasInstant)
            {
                await AddBaselinesAsync(capture);
                Tell(capture, plan);
            }
            await adding;
            _captured.TrySetResult();
            // What there is, before it is known how it ends, which may take a minute.
            around.Reporter.Tell(capture, @as: record => record with { Phase = RecordWriter.PhaseOf(record), CompletedAt = around.Time.GetUtcNow() });
            var end = await AwaitOutcomeAsync(capture);
            await AddCollectionsAsync(capture, end);
            lock (_lock)
                around.Records.Complete(capture, around.Timeline, end, _alsoFired, around.Spec.Triggers);
            around.Reporter.Tell(capture);
            around.Uploader.Wake();
        }
        catch (SpoolException e)
        {
            // What is whole in the spool is stored all the same: when the sidecar starts again, if not before.
            Log.CaptureFailed(around.Log, life.Identity.Container, trigger.Name, e.Reason, e.Message);
            if (capture is null)
                around.Reporter.Tell(new CaptureReport(NewRecord() with { Phase = CapturePhase.Failed, OutcomeReason = $"{e.Reason}: {e.Message}", CompletedAt = around.Time.GetUtcNow() }, null, request) { Sequence = 1 });
        }
        finally
        {
            _begun.TrySetResult();
            _captured.TrySetResult();
        }
    }

    /// <summary>Once, and not before what is instant is captured: the log comes after what matters.</summary>
    private void Tell(SpooledCapture capture, IReadOnlyList<PlannedCapture> plan)
    {
        Log.Planned(around.Log, life.Identity.Container, trigger.Name, PlanText.Line(plan));
        around.Reporter.Tell(capture);
    }

    /// <summary>Made once: its id is the capture's.</summary>
    private CaptureRecord NewRecord() => _record ??= MakeRecord();

    private CaptureRecord MakeRecord()
    {
        var identity = life.Identity;
        var id = Convert.ToHexStringLower(Guid.CreateVersion7(trigger.At).ToByteArray(bigEndian: true).AsSpan(6, 6));
        return new CaptureRecord
        {
            Id = id,
            Folder = ObjectPath.Folder(identity.Namespace, identity.Workload, identity.Pod, identity.Container, trigger.At, trigger.Name, id),
            Policy = around.Policy,
            Trigger = trigger,
            Target = identity,
            StartedAt = trigger.At,
            Memory = memory,
            Producer = Product.NameAndVersion,
        };
    }

    private string Age(Baseline baseline) => string.Create(CultureInfo.InvariantCulture, $"there is a baseline of {baseline.AgeAt(trigger.At).TotalSeconds:0.0} s before");

    /// <summary>Copies the baselines into the capture: the flight recorder goes on, and its own do not stay.</summary>
    private async Task AddBaselinesAsync(SpooledCapture capture)
    {
        var number = 1;
        foreach (var baseline in await baselines)
        {
            var artifact = new Artifact
            {
                Type = ArtifactKeys.Baseline,
                Key = ArtifactKeys.OfBaseline(baseline.Key, baseline.IsGoroutines ? 1 : number),
                StartedAt = around.Time.GetUtcNow(),
                TakenAt = baseline.TakenAt,
                Heap = baseline.Heap,
            };
            try
            {
                using var source = File.OpenHandle(baseline.Path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
                DiskSync.ReadNoFurther(source);
                using var section = new FileSection(source, 0, baseline.Bytes);
                using var file = capture.Begin(artifact.Key);
                section.CopyTo(file);
                artifact = artifact with { Bytes = file.Length, Sha256 = file.Complete() };
                DiskSync.DropPageCache(source);
            }
            catch (SpoolException e)
            {
                artifact = artifact with { Reason = e.Reason, Error = e.Message };
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or StoreException)
            {
                // It was let go of: captures needed its room.
                continue;
            }
            if (artifact.Sha256 is { } sha256 && sha256 != baseline.Sha256)
                artifact = artifact with { Reason = Reasons.Interrupted, Error = "the baseline is not what was written: the disk or the machine failed in between" };
            capture.Add(artifact with { CompletedAt = around.Time.GetUtcNow() });
            if (!baseline.IsGoroutines && number++ == 1)
                Log.BaselineAdded(around.Log, life.Identity.Container, Math.Round(baseline.AgeAt(trigger.At).TotalSeconds, 1), artifact.Bytes);
            around.Uploader.Wake();
        }
    }

    /// <summary>What the log of a Go program has of its collections up to its end. The log outlives it, so that this comes last.</summary>
    private async Task AddCollectionsAsync(SpooledCapture capture, TargetEnd? end)
    {
        if (!around.Spec.Go.GcTrace || life.Identity.Runtime is not { Kind: RuntimeKind.Go })
            return;
        var now = around.Time.GetUtcNow();
        var artifact = new Artifact { Type = nameof(CaptureType.GcTrace), Key = ArtifactKeys.GoCollections, StartedAt = now };
        var began = now - (around.Proc.AgeOf(life.StartTicks) ?? TimeSpan.FromDays(1)) - ClockSlack;
        var (lines, problem) = await around.Reporter.AskCollectionsAsync(life.Identity.Container, began, (end?.At ?? now) + ClockSlack, around.Stopping);
        try
        {
            if (lines is { Length: > 0 })
            {
                using var file = capture.Begin(artifact.Key);
                file.Write(lines);
                artifact = artifact with { Bytes = file.Length, Sha256 = file.Complete() };
            }
            else
            {
                artifact = lines is null
                    ? artifact with { Reason = Reasons.LogNotReadable, Error = problem }
                    : artifact with { Reason = Reasons.NotTraced, Error = "the container's log has no collection of this program: its pod is older than spec.go.gcTrace, or it has had none, or it does not write to standard error" };
            }
        }
        catch (SpoolException e)
        {
            artifact = artifact with { Reason = e.Reason, Error = e.Message };
        }
        capture.Add(artifact with { CompletedAt = around.Time.GetUtcNow() });
        if (artifact.Error is { } error)
            Log.NotCaptured(around.Log, life.Identity.Container, artifact.Key, artifact.Reason!, error);
    }

    /// <summary>What the plan is made for, as far as it is known now.</summary>
    private CaptureConditions Conditions()
    {
        // A sample of a former life says nothing about this one.
        MemorySample? last = around.Timeline.Last is { } newest && newest.Elapsed >= life.BeganAt ? newest : null;
        var now = new CaptureConditions
        {
            Runtime = life.Identity.Runtime?.Kind,
            RuntimeVersion = life.Identity.Runtime?.Version,
            HasEnded = life.HasEnded,
            WhyNoProfiles = life.Source is null ? WhyNoProfiles() : null,
            TimeLeft = timeLeft,
            HeadroomBytes = CaptureConditions.Headroom(last?.Reading, around.MemoryLimitBytes, around.Proc.AvailableBytes()),
            ResidentBytes = around.Proc.Stat(life.Process.Pid)?.ResidentBytes,
            SpoolRoomBytes = Math.Min(Bounds().MaxBytes, around.Spec.Limits.SpoolBytes - around.Spool.UsedBytes),
            Measured = around.Costs.Now,
            IsBeside = isBeside,
            HeapBytes = CaptureConditions.Heap(life.Heap?.Use?.CommittedBytes, last),
        };
        return now.Runtime == RuntimeKind.DotNet ? now.With(_dumps ??= DumpFolder.Find(around.Proc, life.Process.Pid, around.Dumps)) : now;
    }

    private Obstacle WhyNoProfiles() => life.Problem is { } problem
        ? new Obstacle(problem.Reason, problem.Detail)
        : life.Identity.Runtime is null
            ? new Obstacle(Reasons.NotSupportedByRuntime, "the process is neither a Go nor a .NET program that can be recognised")
            : new Obstacle(Reasons.EndpointNotFound, "its profiles have not been found yet");

    private async Task CaptureAsync(SpooledCapture capture, PlannedCapture step)
    {
        var key = ArtifactKeys.Of(step, life.Identity.Runtime?.Kind);
        var artifact = new Artifact { Type = step.Type.ToString(), Key = key, StartedAt = around.Time.GetUtcNow() };
        if (life.HasEnded)
            artifact = artifact with { Reason = Reasons.TargetExited, Error = "the target had died before this could be captured" };
        else if (around.StopCaptures.IsCancellationRequested)
            artifact = artifact with { Reason = Reasons.Interrupted, Error = "the sidecar was stopped before this could be captured" };
        else
            artifact = await CaptureAsync(capture, step, artifact);
        artifact = artifact with { CompletedAt = around.Time.GetUtcNow() };
        artifact = artifact with { RiseBytes = around.Timeline.Rise(artifact.StartedAt!.Value, artifact.CompletedAt.Value) };
        capture.Add(artifact);
        Learn(step, artifact);
        if (artifact.Error is null)
            Log.Captured(around.Log, life.Identity.Container, artifact.Type, artifact.Bytes, Milliseconds(artifact));
        else
            Log.NotCaptured(around.Log, life.Identity.Container, artifact.Type, artifact.Reason!, artifact.Error);
        around.Uploader.Wake();
    }

    private async Task<Artifact> CaptureAsync(SpooledCapture capture, PlannedCapture step, Artifact artifact)
    {
        try
        {
            using var file = capture.Begin(artifact.Key);
            // Never null here: without it nothing but Process is planned.
            var result = step.Type == CaptureType.Process
                ? await around.Records.Processes.CaptureAsync(life.Process.Pid, file, around.StopCaptures)
                : await life.Source!.CaptureAsync(step, file, Bounds(), around.StopCaptures);
            if (result is CaptureResult.Captured { Types: { } types } && step.Variant == CaptureVariant.Snapshot)
                around.Costs.Note(types);
            around.Records.WriteTypes(capture, TypesOf(result));
            return result switch
            {
                CaptureResult.Failed failed => artifact with { Reason = failed.Reason, Error = failed.Detail },
                CaptureResult.Partial partial => artifact with { Bytes = file.Length, Sha256 = file.Complete(), Reason = partial.Reason, Error = partial.Detail },
                _ => artifact with { Bytes = file.Length, Sha256 = file.Complete() },
            };
        }
        catch (SpoolException e)
        {
            return artifact with { Reason = e.Reason, Error = e.Message };
        }
        catch (OperationCanceledException) when (around.StopCaptures.IsCancellationRequested)
        {
            return artifact with { Reason = Reasons.Interrupted, Error = "the sidecar was stopped while this was captured" };
        }
#pragma warning disable CA1031 // A mistake of ours in one capture must not lose the others.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.Unexpected(around.Log, e, $"capturing {artifact.Type}");
            return artifact with { Reason = Reasons.Unexpected, Error = e.Message };
        }
    }

    private void Learn(PlannedCapture step, Artifact artifact)
    {
        if (!artifact.IsComplete)
            return;
        var took = artifact.CompletedAt!.Value - artifact.StartedAt!.Value;
        long? rise = null;
        // On its way to the ceiling the target grows by itself, and nobody can tell its growth from the capture's cost.
        if (timeLeft is null && step.Duration is null
            && artifact.RiseBytes is { } whole && around.Timeline.Rise(artifact.StartedAt.Value - took, artifact.StartedAt.Value) is { } before)
            rise = Math.Max(0, whole - before);
        around.Costs.Note(step, took, artifact.Bytes, rise);
    }

    private static TypeTable? TypesOf(CaptureResult result) => result switch
    {
        CaptureResult.Captured captured => captured.Types,
        CaptureResult.Partial partial => partial.Types,
        _ => null,
    };

    /// <summary>One capture may fill half the spool, so that it never keeps out the next one's heap.</summary>
    private CaptureBounds Bounds() => new() { MaxBytes = Math.Min(new CaptureBounds().MaxBytes, around.Spec.Limits.SpoolBytes / 2) };

    /// <summary>
    /// A program that has just started may be a moment from serving its profiles, and a capture without them is worth little. One that is
    /// older and has none will have none in a moment either. However near the end is: until then there is nothing to capture.
    /// </summary>
    private async Task AwaitSourceAsync()
    {
        if (life.Source is not null || life.HasEnded || around.Timeline.Last is not { } last || last.Elapsed - life.BeganAt > YoungFor)
            return;
        await Task.WhenAny(life.Found, life.Over, Task.Delay(SourcePatience, around.Time, around.StopCaptures));
    }

    private async Task<TargetEnd?> AwaitOutcomeAsync(SpooledCapture capture)
    {
        // Who asked for it waits to have it.
        var window = request is null ? timeLeft * 2 ?? LeastAftermath : LeastAftermath;
        window = window < LeastAftermath ? LeastAftermath : window > LongestAftermath ? LongestAftermath : window;
        var waited = window;
        while (true)
        {
            try
            {
                return await life.Ended.WaitAsync(window, around.Time, around.Stopping);
            }
            catch (TimeoutException) when (request is null && waited < LongestAtCeiling && IsAtCeiling())
            {
                (window, waited) = (AtCeilingFor, waited + AtCeilingFor);
            }
            catch (Exception e) when (e is TimeoutException or OperationCanceledException)
            {
                // Who captured from a target, and the kernel, may know of its end before whoever watches for it.
                if (!life.HasEnded && (Waiter.IsReadable(life.Process.Descriptor) || capture.Record.Artifacts.Any(artifact => artifact.Reason == Reasons.TargetExited)))
                    await Task.WhenAny(life.Over, Task.Delay(SeenWithin, around.Time));
                // The end of the last target ends the watch, too: the one may be told here before the other.
                return life.HasEnded ? await life.Ended : null;
            }
        }
    }

    /// <summary>
    /// Who stands against the ceiling has not survived yet: while the kernel can still take a program's own code out of memory it does so, over
    /// and over, for tens of seconds before it kills.
    /// </summary>
    private bool IsAtCeiling() =>
        around.Timeline.Last is { CeilingBytes: { } ceiling } last && last.Reading.UnreclaimableBytes >= ceiling * AtCeiling;

    private static long Milliseconds(Artifact artifact) => (long)(artifact.CompletedAt!.Value - artifact.StartedAt!.Value).TotalMilliseconds;
}
