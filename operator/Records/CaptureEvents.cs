using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <param name="IsForWorkload">Whether it is worth telling on the workload too, and not on the pod and the record alone.</param>
internal sealed record CaptureEvent(EventKind Kind, string Reason, string Message, bool IsForWorkload);

/// <summary>What is told of a capture: once when it begins, once when it ends, and once when it is stored, where that comes later. Pure.</summary>
internal static class CaptureEvents
{
    public static IReadOnlyList<CaptureEvent> Of(ProfileCaptureStatus? old, ProfileCaptureStatus now, CaptureReport report)
    {
        var record = report.Record;
        var events = new List<CaptureEvent>();
        var had = old?.CaptureId is null ? null : old.Phase;
        var where = $"{record.Policy.Name}: {record.Trigger.Name}";
        var at = record.Memory.CeilingPercent is { } share ? string.Create(CultureInfo.InvariantCulture, $" at {share} %") : "";
        if (now.Phase == CapturePhase.Capturing && had is null)
            events.Add(new CaptureEvent(EventKind.Normal, RecordReasons.CaptureStarted, $"{where} captures {record.Target.Container}{at}: {record.Trigger.Reason}", IsForWorkload: false));
        if (CaptureRecords.HasEnded(now.Phase) && !CaptureRecords.HasEnded(had))
            events.Add(End(record, now, where, at));
        else if (now.Location is { } location && old?.Location is null && CaptureRecords.HasEnded(now.Phase))
            events.Add(new CaptureEvent(EventKind.Normal, RecordReasons.CaptureStored, $"{where}: the capture {record.Id} of {record.Target.Container} is stored: {location}", IsForWorkload: false));
        return events;
    }

    private static CaptureEvent End(CaptureRecord record, ProfileCaptureStatus now, string where, string at)
    {
        var artifacts = now.Artifacts ?? [];
        var captured = artifacts.Where(CaptureRecords.IsWholeCapture).Select(artifact => artifact.Type).Distinct().ToList();
        // The baseline is worth a word only where there is nothing else.
        if (captured.Count > 1)
            captured.Remove(ArtifactKeys.Baseline);
        var missing = artifacts
            .Where(artifact => artifact.Error is not null && Enum.TryParse<CaptureType>(artifact.Type, out _) && !captured.Contains(artifact.Type))
            .Select(artifact => $"{artifact.Type} ({artifact.Reason ?? artifact.Error})")
            .ToList();
        var stored = now.Location ?? "not stored yet";
        var what = captured.Count == 0
            ? $"{where} captured nothing of {record.Target.Container}{at}"
            : $"{where} captured {string.Join(", ", captured)} of {record.Target.Container}{at}";
        if (now.Top is [var top, ..])
            what += $": {top.FlatPercent} % {top.Name}";
        if (missing.Count > 0)
            what += $"; not {string.Join(", ", missing)}";
        if (now.Outcome is CaptureOutcome.OOMKilled or CaptureOutcome.Exited)
            what += $"; {now.Outcome}";
        what += $"; {stored}";
        return now.Phase switch
        {
            CapturePhase.Completed => new CaptureEvent(EventKind.Normal, RecordReasons.CaptureCompleted, what, IsForWorkload: true),
            CapturePhase.Partial => new CaptureEvent(EventKind.Normal, RecordReasons.CapturePartial, what, IsForWorkload: true),
            _ => new CaptureEvent(EventKind.Warning, RecordReasons.CaptureFailed, what, IsForWorkload: true),
        };
    }
}
