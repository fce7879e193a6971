using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Recorder;
using Xunit;

namespace Premortem.Sidecar.Tests.Recorder;

public sealed class BaselineStepTests
{
    private const long Mib = 1 << 20;

    private static readonly CaptureConditions s_small = new()
    {
        Runtime = RuntimeKind.DotNet,
        RuntimeVersion = "10.0.2",
        HeapBytes = 6 * Mib,
        ResidentBytes = 60 * Mib,
        HeadroomBytes = 200 * Mib,
    };

    [Theory]
    [InlineData("10.0.2", CaptureVariant.AllocationSamples)]
    [InlineData(".NET 11.0.0-preview.1", CaptureVariant.AllocationSamples)]
    [InlineData("9.0.7", CaptureVariant.AllocationTicks)]
    [InlineData("", CaptureVariant.AllocationTicks)]
    [InlineData(null, CaptureVariant.AllocationTicks)]
    [InlineData("99999999999999999999", CaptureVariant.AllocationTicks)]
    public void Of_a_dotnet_target_with_a_large_heap_allocations_are_sampled_for_a_moment(string? version, CaptureVariant variant)
    {
        var step = BaselineStep.For(s_small with { RuntimeVersion = version, HeapBytes = 300 * Mib }, mayWalk: true, 0);
        Assert.Equal((CaptureType.Heap, variant, "allocations.nettrace"), (step.Type, step.Variant, ArtifactKeys.Of(step, RuntimeKind.DotNet)));
        Assert.InRange(step.Duration!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
        Assert.NotNull(step.BufferBytes);
    }

    [Fact]
    public void A_small_dotnet_heap_is_taken_whole()
    {
        var step = BaselineStep.For(s_small, mayWalk: true, 0);
        Assert.Equal((CaptureVariant.Snapshot, null, "heap.nettrace.gz"), (step.Variant, step.Duration, ArtifactKeys.Of(step, RuntimeKind.DotNet)));
        Assert.InRange(step.BufferBytes!.Value, 2 * Mib, BaselineStep.LargestSnapshotBytes);
        Assert.True(step.CostBytes > step.BufferBytes);
        Assert.NotNull(step.CostTime);
    }

    [Fact]
    public void It_is_not_walked_where_that_would_cost_too_much_or_has_failed()
    {
        Assert.NotEqual(CaptureVariant.Snapshot, BaselineStep.For(s_small, mayWalk: false, 0).Variant);
        Assert.NotEqual(CaptureVariant.Snapshot, BaselineStep.For(s_small with { HeadroomBytes = 8 * Mib }, mayWalk: true, 0).Variant);
        // Nobody has said how large the heap is: it may be all that is resident.
        Assert.NotEqual(CaptureVariant.Snapshot, BaselineStep.For(s_small with { HeapBytes = null }, mayWalk: true, 0).Variant);
    }

    [Theory]
    [InlineData(40, 4_000, CaptureVariant.Snapshot)]
    [InlineData(6, 400_000, CaptureVariant.AllocationSamples)]
    public void What_was_counted_before_is_believed_before_the_size(long heapMib, long objects, CaptureVariant variant)
    {
        var costs = new CaptureCosts();
        costs.Note(new TypeTable { Measure = TypeTable.LiveObjects, Objects = objects, Bytes = heapMib * Mib, Rows = [] });
        Assert.Equal(variant, BaselineStep.For(s_small with { HeapBytes = heapMib * Mib, Measured = costs.Now }, mayWalk: true, 0).Variant);
    }

    [Fact]
    public void However_large_the_heap_no_baseline_stops_the_target_for_long()
    {
        for (var bytes = Mib; bytes < 1024 * Mib; bytes += Mib)
        {
            var now = s_small with { HeapBytes = bytes, HeadroomBytes = null };
            var step = BaselineStep.For(now, mayWalk: true, 0);
            Assert.True(step.Variant != CaptureVariant.Snapshot || CaptureEstimates.PauseOfWalk(now) <= BaselineStep.LongestWalk);
            Assert.True(step.CostBytes <= 24 * Mib);
        }
    }

    [Fact]
    public void Of_a_go_target_the_heap_is_taken_and_expected_to_cost_what_it_did()
    {
        var go = new CaptureConditions { Runtime = RuntimeKind.Go };
        var step = BaselineStep.For(go, mayWalk: true, 0);
        Assert.Equal((CaptureType.Heap, null, null, "heap.pb.gz"), (step.Type, step.Variant, step.Duration, ArtifactKeys.Of(step, RuntimeKind.Go)));
        Assert.True(BaselineStep.For(new CaptureConditions(), mayWalk: true, 2 << 20).CostBytes > step.CostBytes);
    }
}
