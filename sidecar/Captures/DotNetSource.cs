using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Premortem.Contracts;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Captures from one .NET runtime through its diagnostics server: heaps, allocations, CPU samples and collections as they stream, and
/// dumps that the runtime writes. What the runtime sends is untrusted. What came before its death is kept.
/// </summary>
/// <param name="client">The runtime's diagnostics server; it is this one's from here on.</param>
/// <param name="findDumpFolder">Looks for a place where the runtime can write a dump that can be read from here.</param>
/// <param name="residentBytes">What the process holds resident now; null: not known.</param>
/// <param name="targetIsAlive">Whether the process still runs; asked only when its connection broke.</param>
internal sealed class DotNetSource(DiagnosticsClient client, Func<DumpFolderSearch> findDumpFolder, Func<long?> residentBytes, Func<bool> targetIsAlive, TimeProvider time) : ICaptureSource
{
    private const long Mib = 1 << 20;

    // What is drained while it comes never needed more.
    private const long DefaultBufferBytes = 16 * Mib;

    // A dump without heap takes that much at most, and no dump may take the last of a disk.
    private const long TriageBytes = 64 * Mib;
    private const long SpareBytes = 32 * Mib;

    // The kernel closes the sockets of a dying process some moments before it is seen to be dead.
    private static readonly TimeSpan DeathShowsWithin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    public string Address => client.Address;

    public void Dispose() => client.Dispose();

    public Task WarmAsync(CancellationToken ct) => Task.CompletedTask;

    public async Task<CaptureResult> CaptureAsync(PlannedCapture step, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        try
        {
            return IsDump(step)
                ? await DumpAsync(step, destination, bounds, ct)
                : await RecordAsync(step, DotNetRecording.Of(step), destination, bounds, ct);
        }
        catch (DiagnosticsException e)
        {
            return await FailedAsync(e.Reason, e.Message, ct);
        }
    }

    private static bool IsDump(PlannedCapture step) =>
        step.Variant is CaptureVariant.HeapDump or CaptureVariant.TriageDump or CaptureVariant.WithHeapDump or CaptureVariant.FullDump;

    private async Task<CaptureResult> RecordAsync(PlannedCapture step, DotNetRecording recording, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        var buffers = (uint)Math.Clamp((step.BufferBytes ?? DefaultBufferBytes) / Mib, 1, 4096);
        // Enabling a heap snapshot collects: the answer comes when the walk is over, which takes seconds for ten million objects.
        var walk = recording.Duration is null ? step.CostTime * 2 ?? TimeSpan.Zero : TimeSpan.Zero;
        await using var names = recording.OnTypeNames is { } consumer ? await TypeNameSession.StartAsync(client, consumer, time, ct) : null;
        await using var session = await client.StartSessionAsync(
            recording.Providers, buffers, recording.RundownKeywords, recording.WithStacks, ct, walk < bounds.Allowance ? walk : bounds.Allowance);
        await using var received = new ReceivedNettrace(session, recording, destination, bounds, time);
        var cut = await received.ReceiveAsync(recording.Duration ?? step.CostTime * 2 ?? TimeSpan.Zero, ct);
        await received.EndAsync(ct);
        if (names is not null)
            await names.EndAsync(ct);
        return cut is null ? Judge(step, recording, received) : await JudgeAsync(recording, received, cut, ct);
    }

    private async Task<CaptureResult> JudgeAsync(DotNetRecording recording, ReceivedNettrace received, Obstacle cut, CancellationToken ct)
    {
        if (cut.Reason == Reasons.InvalidContent || !recording.HasContent)
            return await FailedAsync(cut.Reason, cut.Detail, ct);
        // Whatever ended it, with its content there it is worth keeping; that the target died says most.
        var reason = cut.Reason == Reasons.TargetNotResponding && await HasExitedAsync(ct) ? Reasons.TargetExited : cut.Reason;
        var what = reason == Reasons.TargetExited ? $"the target exited; {cut.Detail}" : cut.Detail;
        return new CaptureResult.Partial(received.Stored, reason, what, recording.Types(received.Dropped, isCut: true));
    }

    private static CaptureResult Judge(PlannedCapture step, DotNetRecording recording, ReceivedNettrace received)
    {
        var types = recording.Types(received.Dropped, isCut: false);
        if (step.Variant is CaptureVariant.Snapshot or CaptureVariant.PartialSnapshot && !recording.HasContent)
            return new CaptureResult.Failed(Reasons.TargetNotResponding, "the runtime walked its heap and told of no objects");
        // A sample of the heap is what was asked for where it is one; else it should have been whole.
        return types is { IsPartial: true } && step.Variant is CaptureVariant.Snapshot
            ? new CaptureResult.Partial(received.Stored, Reasons.TooLarge, string.Create(CultureInfo.InvariantCulture, $"the runtime's buffers were too small for its heap: {types.Objects} objects came, and {received.Dropped} events did not fit"), types)
            : new CaptureResult.Captured(received.Stored, recording.Duration, types is { Objects: > 0 } ? types : null);
    }

    private async Task<CaptureResult> DumpAsync(PlannedCapture step, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        switch (findDumpFolder())
        {
            case DumpFolderSearch.NotFound missing:
                return new CaptureResult.Failed(missing.Why.Reason, missing.Why.Detail);
            case DumpFolderSearch.Found found:
                return await DumpAsync(step.Variant!.Value, found.Folder, destination, bounds, ct);
            default:
                throw new UnreachableException();
        }
    }

    private async Task<CaptureResult> DumpAsync(CaptureVariant kind, DumpFolder folder, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        var needed = DiskFor(kind);
        if (folder.FreeBytes is not { } free)
            return new CaptureResult.Failed(Reasons.TargetExited, $"{folder.OfTarget} cannot be reached any more");
        if (free < needed)
            return new CaptureResult.Failed(Reasons.DiskFull, $"a dump takes some {Quantity.ForPeople(needed)} of {folder.OfTarget}, where {Quantity.ForPeople(free)} are free");
        try
        {
            using var file = new DumpFile(folder, time);
            try
            {
                await client.WriteDumpAsync(file.PathOfTarget, kind, bounds.Allowance, ct);
                file.IsAnswered = true;
            }
            catch (DiagnosticsException e)
            {
                file.IsAnswered = e.ErrorCode is not null;
                // A dump that failed is gone with all the room that it took, and the runtime says why in words alone.
                if (!file.IsAnswered || !(file.FreeBytes < DiskFor(kind)))
                    throw;
                return new CaptureResult.Failed(Reasons.DiskFull, $"the disk of {folder.OfTarget} was full before the dump was whole: {e.Message}");
            }
            var stored = new CountedStream(destination);
            await using (var packed = new GZipStream(stored, CompressionLevel.Fastest, leaveOpen: true))
                await file.CopyToAsync(packed, bounds.Allowance, () => RequireRoom(stored, bounds), ct);
            return new CaptureResult.Captured(stored.Written);
        }
        catch (ReceiveException e)
        {
            return new CaptureResult.Failed(e.Reason, e.Message);
        }
    }

    /// <summary>The heap and all else that is resident is written out, and the disk may be the one that the target's data is on.</summary>
    private long DiskFor(CaptureVariant kind) =>
        SpareBytes + Math.Max(TriageBytes, CaptureEstimates.DumpFileBytes(kind, new CaptureConditions { ResidentBytes = residentBytes() }));

    private static void RequireRoom(CountedStream stored, CaptureBounds bounds)
    {
        if (stored.Written > bounds.MaxBytes - ReceivedNettrace.CompressorBytes)
            throw new ReceiveException(Reasons.TooLarge, $"the compressed dump is larger than the {Quantity.Format(bounds.MaxBytes)} that may be stored");
    }

    private async Task<CaptureResult> FailedAsync(string reason, string detail, CancellationToken ct) =>
        reason is Reasons.InvalidContent or Reasons.NotSupportedByRuntime or Reasons.AccessDenied || !await HasExitedAsync(ct)
            ? new CaptureResult.Failed(reason, detail)
            : new CaptureResult.Failed(Reasons.TargetExited, $"the target exited; {detail}");

    private async Task<bool> HasExitedAsync(CancellationToken ct)
    {
        for (var start = time.GetTimestamp(); time.GetElapsedTime(start) < DeathShowsWithin;)
        {
            if (!targetIsAlive())
                return true;
            await Task.Delay(Poll, time, ct);
        }
        return false;
    }
}
