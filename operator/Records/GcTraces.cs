using System.Globalization;
using System.Net;
using System.Text;
using Premortem.Contracts;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// Gives a sidecar what the log of one of its pod's containers has of collections of Go (<c>GODEBUG=gctrace=1</c>), and nothing else of it. A
/// sidecar cannot read another container's log; the operator can, where the chart gave it that right.
/// </summary>
internal sealed class GcTraces(PodLogs logs, Func<ResourceKey, Pod?> pods, TimeProvider time) : IDisposable
{
    /// <summary>What was before it tells little of what led to a kill.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan ReadWithin = TimeSpan.FromSeconds(10);

    // Of a program that writes much else.
    private const long MostLogBytes = 64 << 20;
    private const int AtATime = 4;

    private readonly PodRates _rates = new(perSecond: 0.1, burst: 10, pods: 20_000, time);
    private readonly SemaphoreSlim _turns = new(AtATime);

    public void Dispose() => _turns.Dispose();

    /// <param name="since">When the life of the container began, in ISO 8601.</param>
    /// <param name="until">When it ended, or now.</param>
    public async Task<ReportAnswer> ReadAsync(PodIdentity identity, string container, string? since, string? until, CancellationToken ct)
    {
        if (!TryTime(since, out var from))
            return ReportAnswer.Invalid("since", "has to be a time such as 2026-03-01T12:05:09Z");
        if (!TryTime(until, out var to) || to < from)
            return ReportAnswer.Invalid("until", "has to be a time such as 2026-03-01T12:05:09Z, and not before 'since'");
        if (pods(identity.Key) is not { } pod || pod.Metadata.Uid != identity.Uid)
            return ReportAnswer.Unavailable("the operator does not know the pod yet, or any more");
        if (!PodContainers.Of(pod).Contains(container))
            return ReportAnswer.Invalid("container", $"is '{RecordText.Clean(container, 253)}', but the pod has {string.Join(", ", PodContainers.Of(pod))}");
        if (_rates.Take(identity.Uid) is { } wait)
            return ReportAnswer.TooMany(wait);
        if (to - from > Longest)
            from = to - Longest;
        var kept = new LastLines(ReportPaths.MaxGcTraceBytes);
        using var patience = new CancellationTokenSource(ReadWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        await _turns.WaitAsync(either.Token);
        try
        {
            // Which of them the life is in that just ended, the kubelet may not have told yet. By its time a line is told from those of other lives.
            await ReadAsync(isPrevious: true);
            await ReadAsync(isPrevious: false);
        }
        catch (ApiException e) when (e.Status == HttpStatusCode.Forbidden)
        {
            return ReportAnswer.Forbidden("the operator may not read the logs of pods: install the chart with rbac.readGcTraces=true");
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            return ReportAnswer.Unavailable(string.Create(CultureInfo.InvariantCulture, $"the log of {container} could not be read within {ReadWithin.TotalSeconds:0} s"));
        }
        finally
        {
            _turns.Release();
        }
        return ReportAnswer.Text(kept.ToArray());

        async Task ReadAsync(bool isPrevious)
        {
            try
            {
                await logs.ReadAsync(identity.Key, container, isPrevious, from, MostLogBytes, Take, either.Token);
            }
            catch (ApiException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.BadRequest)
            {
                // The kubelet has none, or not any more.
            }
        }

        void Take(ReadOnlySpan<byte> line)
        {
            if (TellsOfCollection(line) && line.IndexOf((byte)' ') is > 0 and var end && TryTime(Encoding.ASCII.GetString(line[..end]), out var at) && at >= from && at <= to)
                kept.Add(line);
        }
    }

    /// <summary>Whether it has <c>gc 12 @3</c>, wherever.</summary>
    internal static bool TellsOfCollection(ReadOnlySpan<byte> line)
    {
        while (line.IndexOf("gc "u8) is var at and >= 0)
        {
            line = line[(at + 3)..];
            var digits = line.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            if (digits > 0 && line[digits..] is [(byte)' ', (byte)'@', >= (byte)'0' and <= (byte)'9', ..])
                return true;
        }
        return false;
    }

    private static bool TryTime(string? text, out DateTimeOffset time) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);

    /// <summary>Of lines that are added, the last ones that have room.</summary>
    private sealed class LastLines(int room)
    {
        private readonly Queue<byte[]> _lines = new();
        private int _bytes;

        public void Add(ReadOnlySpan<byte> line)
        {
            _lines.Enqueue([.. line, (byte)'\n']);
            _bytes += line.Length + 1;
            while (_bytes > room)
                _bytes -= _lines.Dequeue().Length;
        }

        public byte[] ToArray() => [.. _lines.SelectMany(line => line)];
    }
}
