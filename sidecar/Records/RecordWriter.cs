using System.Text;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Report;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Records;

/// <summary>Completes a capture: the outcome, the memory timeline, the report page, and the record itself.</summary>
/// <param name="readRoom">How much more memory this program may take; null: as much as it likes.</param>
internal sealed class RecordWriter(Func<long?> readRoom, TimeProvider time, ILogger<RecordWriter> log)
{
    public ProcessSnapshot Processes { get; } = new(time);

    /// <param name="timeline">What memory did; null for a capture that an earlier life of the sidecar began.</param>
    /// <param name="end">How the target ended; null: it had not when the capture was completed.</param>
    /// <param name="triggers">Those of the policy that the capture was made by, as far as they are known; null: not at all.</param>
    public void Complete(SpooledCapture capture, MemoryTimeline? timeline, TargetEnd? end, IReadOnlyList<FiredTrigger> alsoFired, IReadOnlyList<Trigger>? triggers = null)
    {
        capture.Update(record => record with { AlsoFired = [.. alsoFired], DiedAt = end?.At ?? record.DiedAt }, durable: false);
        var samples = timeline?.Snapshot() ?? [];
        if (samples.Count > 0)
            Write(capture, Names.MemoryTimeline, file =>
            {
                using var csv = new StreamWriter(file, new UTF8Encoding(false), leaveOpen: true);
                MemoryTimeline.WriteCsv(csv, samples, Events(capture.Record, end));
            });
        var page = ProfilesOf(capture).ReadPage();
        var functions = CapturedProfiles.TopOf(page.Tables);
        var last = Last(capture.Record, end, capture.IsRecovered) with
        {
            Top = functions.Count > 0 ? functions : CapturedProfiles.TopOf(page.Types, capture.Record.Memory),
            TopFrom = CapturedProfiles.TopFrom(page.Tables) ?? (page is { TypesBaselineAt: not null, Types.Bytes: > 0 } ? CapturedProfiles.FromBaseline : null),
        };
        Write(capture, Names.Report, file => ReportPage.Write(file, page with
        {
            Record = last,
            Memory = [.. samples.Select(sample => new MemoryPoint(sample.At, sample.Reading.WorkingSetBytes, sample.Reading.UsageBytes, sample.Reading.LimitBytes, sample.CeilingBytes)
            {
                UnreclaimableBytes = sample.Reading.UnreclaimableBytes,
                HeapAfterGcBytes = sample.HeapAfterGcBytes,
                OutsideHeapBytes = sample.OutsideHeapBytes,
            })],
            Thresholds = Thresholds(triggers ?? [], last.Memory.CeilingBytes),
        }));
        capture.Complete(record => last with { Artifacts = record.Artifacts });
        Log.CaptureComplete(log, capture.Record.Target.Container, capture.Record.Id, capture.Record.Phase, capture.Record.Outcome, capture.Record.OutcomeReason);
    }

    /// <summary>Adds the table of types that came with a heap. The better one stays: a whole heap's rather than a part's, that rather than allocations.</summary>
    public void WriteTypes(SpooledCapture capture, TypeTable? types)
    {
        if (types is not { Objects: > 0 } || (ProfilesOf(capture).ReadTypes() is { } there && Worth(there) >= Worth(types)))
            return;
        Write(capture, ArtifactKeys.Types, file => TypesFile.Write(file, types));

        static int Worth(TypeTable table) => table.Measure != TypeTable.LiveObjects ? 0 : table.IsPartial ? 1 : 2;
    }

    private CapturedProfiles ProfilesOf(SpooledCapture capture) =>
        new(capture.Record, capture.PathOf, () => ReportBounds.InPod(readRoom()), (what, why) => Log.NoTable(log, capture.Record.Target.Container, what, why));

    private CaptureRecord Last(CaptureRecord record, TargetEnd? end, bool isRecovered) => record with
    {
        Phase = PhaseOf(record),
        // A recovered one may know already what became of its target.
        Outcome = end?.Outcome ?? record.Outcome ?? (isRecovered ? null : CaptureOutcome.Survived),
        OutcomeReason = end?.Reason ?? record.OutcomeReason
            ?? (isRecovered ? "the sidecar was killed while it captured" : "the target was alive when the capture was completed"),
        CompletedAt = record.CompletedAt ?? time.GetUtcNow(),
    };

    private static List<ThresholdLine> Thresholds(IReadOnlyList<Trigger> triggers, long? ceilingBytes)
    {
        var lines = new List<ThresholdLine>();
        foreach (var trigger in triggers.OfType<MemoryUsageTrigger>())
            if (trigger.Threshold.InBytes(ceilingBytes) is { } bytes)
                lines.Add(new ThresholdLine($"{trigger.Name}: {trigger.Threshold}", bytes));
        return lines;
    }

    /// <summary>
    /// Completed where every capture that the policy asks for and the runtime has is there, Failed where there is nothing, not even a
    /// baseline, Partial in between.
    /// </summary>
    public static CapturePhase PhaseOf(CaptureRecord record)
    {
        var planned = record.Artifacts.Where(artifact => artifact.IsCapture).ToList();
        if (!planned.Exists(artifact => artifact.IsComplete))
            return record.Artifacts.Any(artifact => artifact is { Type: ArtifactKeys.Baseline, IsComplete: true }) ? CapturePhase.Partial : CapturePhase.Failed;
        return planned.TrueForAll(artifact => artifact.IsComplete) && record.Plan.All(step => step.Decision != PlanDecisions.Skipped || IsForAnother(step.Type, record.Target.Runtime))
            ? CapturePhase.Completed
            : CapturePhase.Partial;
    }

    private static bool IsForAnother(CaptureType type, RuntimeIdentity? runtime) => runtime is not null && !CaptureRequest.IsFor(type, runtime.Kind);

    private static List<MemoryEvent> Events(CaptureRecord record, TargetEnd? end)
    {
        var events = new List<MemoryEvent> { new(record.Trigger.At, $"trigger:{record.Trigger.Name}") };
        events.AddRange(record.AlsoFired.Select(fired => new MemoryEvent(fired.At, $"trigger:{fired.Name}")));
        events.AddRange(record.Artifacts
            .Where(artifact => artifact is { IsComplete: true, CompletedAt: not null })
            .Select(artifact => new MemoryEvent(artifact.CompletedAt!.Value, $"captured:{artifact.Type}")));
        if (end is not null)
            events.Add(new MemoryEvent(end.At, end.Outcome.ToString()));
        return [.. events.OrderBy(item => item.At)];
    }

    private void Write(SpooledCapture capture, string key, Action<SpoolFile> write)
    {
        var artifact = new Artifact { Type = ArtifactKeys.TypeOf(key), Key = key, StartedAt = time.GetUtcNow() };
        try
        {
            using var file = capture.Begin(key);
            write(file);
            artifact = artifact with { Bytes = file.Length, Sha256 = file.Complete() };
        }
        catch (SpoolException e)
        {
            artifact = artifact with { Reason = e.Reason, Error = e.Message };
            Log.NotCaptured(log, capture.Record.Target.Container, artifact.Type, e.Reason, e.Message);
        }
        capture.Add(artifact with { CompletedAt = time.GetUtcNow() });
    }
}
