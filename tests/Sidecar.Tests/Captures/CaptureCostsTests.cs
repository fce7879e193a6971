using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Captures;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class CaptureCostsTests
{
    private static readonly PlannedCapture s_heap = new(CaptureType.Heap, PlanDecisions.Chosen, null);

    private readonly CaptureCosts _costs = new();

    [Fact]
    public void Of_what_was_never_captured_nothing_is_known()
    {
        Assert.Null(_costs.Now.Of(CaptureType.Heap));
        Assert.Null(_costs.Now.Objects);
    }

    [Fact]
    public void The_worst_counts_and_fades()
    {
        _costs.Note(s_heap, TimeSpan.FromSeconds(4), 4000, 400);
        _costs.Note(s_heap, TimeSpan.FromSeconds(1), 1000, 100);
        Assert.Equal(new MeasuredCost(TimeSpan.FromSeconds(3), 3000, 300), _costs.Now.Of(CaptureType.Heap));
        _costs.Note(s_heap, TimeSpan.FromSeconds(9), 9000);
        Assert.Equal(new MeasuredCost(TimeSpan.FromSeconds(9), 9000, 300), _costs.Now.Of(CaptureType.Heap));
    }

    [Fact]
    public void Each_way_of_capturing_has_its_own()
    {
        _costs.Note(s_heap with { Variant = CaptureVariant.HeapDump }, TimeSpan.FromSeconds(2), 10);
        Assert.Null(_costs.Now.Of(CaptureType.Heap));
        Assert.Equal(TimeSpan.FromSeconds(2), _costs.Now.Of(CaptureType.Heap, CaptureVariant.HeapDump)?.Time);
    }

    [Fact]
    public void Of_a_recording_only_what_goes_beyond_its_duration_counts()
    {
        _costs.Note(new PlannedCapture(CaptureType.Cpu, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(5)), TimeSpan.FromSeconds(5.4), 10);
        Assert.Equal(TimeSpan.FromSeconds(0.4), _costs.Now.Of(CaptureType.Cpu)?.Time);
        _costs.Note(new PlannedCapture(CaptureType.Trace, PlanDecisions.Chosen, null, TimeSpan.FromSeconds(5)), TimeSpan.FromSeconds(2), 10);
        Assert.Equal(TimeSpan.Zero, _costs.Now.Of(CaptureType.Trace)?.Time);
    }

    [Theory]
    [InlineData(false, 7, 7L)]
    [InlineData(true, 7, null)]
    [InlineData(false, 0, null)]
    public void A_whole_snapshot_counts_the_objects(bool isPartial, int objects, long? known)
    {
        _costs.Note(new TypeTable { Measure = "live objects", Objects = objects, Bytes = 700, Rows = [], IsPartial = isPartial });
        Assert.Equal(known, _costs.Now.Objects);
        Assert.Equal(known * 100, _costs.Now.ObjectBytes);
    }
}
