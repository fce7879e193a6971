using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Recorder;

/// <summary>What a baseline is made of: the cheapest that tells what holds the memory.</summary>
internal static class BaselineStep
{
    /// <summary>The first .NET that samples allocations by bytes.</summary>
    private const int SamplesSince = 10;

    private const long BufferBytes = 4L << 20;

    /// <summary>What the resident memory of a .NET target was seen to grow by, and some.</summary>
    private const long DotNetCostBytes = 20L << 20;

    /// <summary>A Go heap profile is made in the target's memory, uncompressed, beside the records that it is made of.</summary>
    private const long LeastGoCostBytes = 4L << 20;
    private const int GoCostFactor = 12;

    private static readonly TimeSpan AllocationWindow = TimeSpan.FromSeconds(3);

    /// <param name="runtime">What the target runs on; null: it was not recognised, but has a pprof.</param>
    /// <param name="lastBytes">What the last baseline had; 0: there was none.</param>
    public static PlannedCapture For(RuntimeIdentity? runtime, long lastBytes) => runtime?.Kind == RuntimeKind.DotNet
        ? new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null, AllocationWindow)
        {
            Variant = MajorOf(runtime.Version) >= SamplesSince ? CaptureVariant.AllocationSamples : CaptureVariant.AllocationTicks,
            BufferBytes = BufferBytes,
            CostBytes = DotNetCostBytes,
        }
        : new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null) { CostBytes = Math.Max(LeastGoCostBytes, lastBytes * GoCostFactor) };

    /// <summary>The first number in <c>10.0.2</c> or <c>.NET 10.0.2</c>.</summary>
    private static int MajorOf(string? version)
    {
        var digits = (version ?? "").AsSpan();
        digits = digits[Math.Max(0, digits.IndexOfAnyInRange('0', '9'))..];
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return int.TryParse(end < 0 ? digits : digits[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : 0;
    }
}
