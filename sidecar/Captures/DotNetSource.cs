using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Premortem.Contracts;
using Premortem.Profiles;
using Premortem.Profiles.Nettrace;
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

    /// <summary>A compressor gives nothing for long and then much at once: so much is left free below the bound.</summary>
    private const int CompressorBytes = 256 * 1024;

    // The kernel closes the sockets of a dying process some moments before it is seen to be dead.
    private static readonly TimeSpan DeathShowsWithin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// Where the buffers were full, the end of a walk over the heap is dropped like all else. The runtime sends what it has every
    /// 100 ms: when nothing has come for this long after objects had, there is nothing more.
    /// </summary>
    private static readonly TimeSpan QuietAfterWalk = TimeSpan.FromMilliseconds(500);

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
        await using var session = await client.StartSessionAsync(
            recording.Providers, buffers, recording.RundownKeywords, recording.WithStacks, ct, walk < bounds.Allowance ? walk : bounds.Allowance);
        using var timer = new ReceiveTimer(bounds, recording.Duration ?? step.CostTime * 2 ?? TimeSpan.Zero, time, ct);
        var reader = new NettraceReader(recording.OnEvent);
        var stored = new CountedStream(destination);
        var packed = recording.IsCompressed ? new GZipStream(stored, CompressionLevel.Fastest, leaveOpen: true) : null;
        try
        {
            var tee = new NettraceTee(reader, packed ?? (Stream)stored);
            using var stopper = new SessionStopper(session, recording.Duration, time);
            var problem = await ReceiveAsync(session.Stream, recording, reader, tee, stored, stopper, bounds, timer, ct);
            await tee.EndAsync(ct);
            if (packed is not null)
                await packed.DisposeAsync();
            packed = null;
            return await JudgeAsync(step, recording, reader, stored.Written, problem, ct);
        }
        finally
        {
            if (packed is not null)
                await packed.DisposeAsync();
        }
    }

    /// <summary>Receives until the stream ends, or something ends it; null where it ended by itself.</summary>
    private static async Task<(string Reason, string Detail)?> ReceiveAsync(
        Stream source,
        DotNetRecording recording,
        NettraceReader reader,
        NettraceTee tee,
        CountedStream stored,
        SessionStopper stopper,
        CaptureBounds bounds,
        ReceiveTimer timer,
        CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReceivedBody.BufferBytes);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var stopping = stopper.RunAsync(stop.Token);
        try
        {
            while (true)
            {
                timer.Rearm();
                var read = await source.ReadAsync(buffer, timer.Token);
                if (read == 0)
                    return reader.HasEnded ? null : (Reasons.TargetNotResponding, Invariant($"the stream ended after {reader.Received} bytes, before it was whole"));
                await tee.WriteAsync(buffer.AsMemory(0, read), ct);
                if (recording.HasEnded)
                    stopper.End();
                else if (recording.Duration is null && recording.HasContent)
                    stopper.EndWhenQuietFor(QuietAfterWalk);
                if (stored.Written > bounds.MaxBytes - CompressorBytes || reader.Received > bounds.MaxDecompressedBytes)
                    return (Reasons.TooLarge, $"more came than the {Quantity.Format(bounds.MaxBytes)} that may be stored");
            }
        }
        catch (ProfileFormatException e)
        {
            return (Reasons.InvalidContent, e.Message);
        }
        catch (OperationCanceledException) when (timer.IsUp && !ct.IsCancellationRequested)
        {
            var late = timer.ToException(reader.Received);
            return (late.Reason, late.Message);
        }
        catch (IOException) when (!stored.HasFailed)
        {
            return (Reasons.TargetNotResponding, Invariant($"the connection ended after {reader.Received} bytes, before the stream did"));
        }
        finally
        {
            await stop.CancelAsync();
            await stopping;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<CaptureResult> JudgeAsync(PlannedCapture step, DotNetRecording recording, NettraceReader reader, long stored, (string Reason, string Detail)? problem, CancellationToken ct)
    {
        if (problem is { } cut)
        {
            if (cut.Reason == Reasons.InvalidContent || !recording.HasContent)
                return await FailedAsync(cut.Reason, cut.Detail, ct);
            // Whatever ended it, with its content there it is worth keeping; that the target died says most.
            var reason = cut.Reason == Reasons.TargetNotResponding && await HasExitedAsync(ct) ? Reasons.TargetExited : cut.Reason;
            var what = reason == Reasons.TargetExited ? $"the target exited; {cut.Detail}" : cut.Detail;
            return new CaptureResult.Partial(stored, reason, what, recording.Types(reader.Dropped, isCut: true));
        }
        var types = recording.Types(reader.Dropped, isCut: false);
        if (step.Variant is CaptureVariant.Snapshot or CaptureVariant.PartialSnapshot && !recording.HasContent)
            return new CaptureResult.Failed(Reasons.TargetNotResponding, "the runtime walked its heap and told of no objects");
        // A sample of the heap is what was asked for where it is one; else it should have been whole.
        return types is { IsPartial: true } && step.Variant is CaptureVariant.Snapshot
            ? new CaptureResult.Partial(stored, Reasons.TooLarge, Invariant($"the runtime's buffers were too small for its heap: {types.Objects} objects came, and {reader.Dropped} events did not fit"), types)
            : new CaptureResult.Captured(stored, recording.Duration, types is { Objects: > 0 } ? types : null);
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
        // The heap and all else that is resident is written out, and the disk may be the one that the target's data is on.
        var needed = SpareBytes + (kind == CaptureVariant.TriageDump ? TriageBytes : residentBytes() ?? 0);
        if (folder.FreeBytes is not { } free)
            return new CaptureResult.Failed(Reasons.TargetExited, $"{folder.OfTarget} cannot be reached any more");
        if (free < needed)
            return new CaptureResult.Failed(Reasons.DiskFull, $"a dump takes some {Quantity.ForPeople(needed)} of {folder.OfTarget}, where {Quantity.ForPeople(free)} are free");
        try
        {
            using var file = new DumpFile(folder);
            try
            {
                await client.WriteDumpAsync(file.PathOfTarget, kind, bounds.Allowance, ct);
            }
            catch (DiagnosticsException e) when (folder.FreeBytes < Mib)
            {
                return new CaptureResult.Failed(Reasons.DiskFull, $"the disk of {folder.OfTarget} was full before the dump was whole: {e.Message}");
            }
            var stored = new CountedStream(destination);
            await using (var packed = new GZipStream(stored, CompressionLevel.Fastest, leaveOpen: true))
                await file.CopyToAsync(packed, () => RequireRoom(stored, bounds), ct);
            return new CaptureResult.Captured(stored.Written);
        }
        catch (ReceiveException e)
        {
            return new CaptureResult.Failed(e.Reason, e.Message);
        }
    }

    private static void RequireRoom(CountedStream stored, CaptureBounds bounds)
    {
        if (stored.Written > bounds.MaxBytes - CompressorBytes)
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

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
