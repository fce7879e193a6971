using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
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
internal sealed class CaptureSession(CaptureSession.Surroundings around, TargetLife life, FiredTrigger trigger, MemoryAtTrigger memory, TimeSpan? timeLeft, bool isBeside)
{
    /// <summary>How long the outcome is awaited where no time to the ceiling is predicted, and at most.</summary>
    private static readonly TimeSpan LeastAftermath = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestAftermath = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly List<FiredTrigger> _alsoFired = [];
    private readonly TaskCompletionSource _captured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _hasInstant;

    /// <summary>What every session works with.</summary>
    /// <param name="StopCaptures">Cancelled when the sidecar has to end and no capture may go on.</param>
    /// <param name="Stopping">Cancelled when the sidecar was asked to end: outcomes are no longer awaited.</param>
    internal sealed record Surroundings(
        ProfilePolicy Policy,
        Spool Spool,
        Uploader Uploader,
        MemoryTimeline Timeline,
        RecordWriter Records,
        TimeProvider Time,
        ILogger<CaptureSession> Log,
        CancellationToken Stopping,
        CancellationToken StopCaptures);

    public TargetLife Life => life;

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
            capture = around.Spool.Create(NewRecord());
            var plan = CapturePlanner.Plan(around.Policy.Spec.Captures, life.Source is not null, WhyNoProfiles(), timeLeft);
            if (life.HasEnded)
                plan = [.. plan.Select(step => new PlannedCapture(step.Type, PlanDecisions.Skipped, $"{Reasons.TargetExited}: the target was dead already"))];
            else if (isBeside)
                plan = [.. plan.Select(step => CaptureRequest.TakesTime(step.Type)
                    ? new PlannedCapture(step.Type, PlanDecisions.Skipped, "the capture before this one is still taking it")
                    : step)];
            capture.Update(record => record with { Plan = plan }, durable: false);
            foreach (var step in plan.Where(step => step.Decision != PlanDecisions.Skipped))
            {
                _hasInstant |= CaptureRequest.TakesTime(step.Type);
                await CaptureAsync(capture, step);
            }
            _captured.TrySetResult();
            var end = await AwaitOutcomeAsync();
            lock (_lock)
                around.Records.Complete(capture, around.Timeline, end, _alsoFired);
            around.Uploader.Wake();
        }
        catch (SpoolException e)
        {
            // What is whole in the spool is stored all the same: when the sidecar starts again, if not before.
            Log.CaptureFailed(around.Log, life.Identity.Container, trigger.Name, e.Reason, e.Message);
        }
        finally
        {
            _captured.TrySetResult();
        }
    }

    private CaptureRecord NewRecord()
    {
        var identity = life.Identity;
        var id = Convert.ToHexStringLower(Guid.CreateVersion7(trigger.At).ToByteArray(bigEndian: true).AsSpan(6, 6));
        return new CaptureRecord
        {
            Id = id,
            Folder = ObjectPath.Folder(identity.Namespace, identity.Workload, identity.Pod, identity.Container, trigger.At, trigger.Name, id),
            Policy = new PolicyReference(around.Policy.Name, around.Policy.Namespace),
            Trigger = trigger,
            Target = identity,
            StartedAt = trigger.At,
            Memory = memory,
            Producer = Product.NameAndVersion,
        };
    }

    private string WhyNoProfiles() => life.Problem is { } problem
        ? $"{problem.Reason}: {problem.Detail}"
        : life.Identity.Runtime is null
            ? $"{Reasons.NotSupportedByRuntime}: the process is no Go program that can be recognised"
            : $"{Reasons.EndpointNotFound}: its pprof has not been found yet";

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
        capture.Add(artifact);
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
    }

    /// <summary>One capture may fill half the spool, so that it never keeps out the next one's heap.</summary>
    private CaptureBounds Bounds() => new() { MaxBytes = Math.Min(new CaptureBounds().MaxBytes, around.Policy.Spec.Limits.SpoolBytes / 2) };

    private async Task<TargetEnd?> AwaitOutcomeAsync()
    {
        var window = timeLeft * 2 ?? LeastAftermath;
        window = window < LeastAftermath ? LeastAftermath : window > LongestAftermath ? LongestAftermath : window;
        try
        {
            return await life.Ended.WaitAsync(window, around.Time, around.Stopping);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return null;
        }
    }

    private static long Milliseconds(Artifact artifact) => (long)(artifact.CompletedAt!.Value - artifact.StartedAt!.Value).TotalMilliseconds;
}
