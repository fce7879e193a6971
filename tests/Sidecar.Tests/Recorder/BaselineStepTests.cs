using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Recorder;
using Xunit;

namespace Premortem.Sidecar.Tests.Recorder;

public sealed class BaselineStepTests
{
    [Theory]
    [InlineData("10.0.2", CaptureVariant.AllocationSamples)]
    [InlineData(".NET 11.0.0-preview.1", CaptureVariant.AllocationSamples)]
    [InlineData("9.0.7", CaptureVariant.AllocationTicks)]
    [InlineData("", CaptureVariant.AllocationTicks)]
    [InlineData(null, CaptureVariant.AllocationTicks)]
    [InlineData("99999999999999999999", CaptureVariant.AllocationTicks)]
    public void Of_a_dotnet_target_allocations_are_sampled_for_a_moment(string? version, CaptureVariant variant)
    {
        var step = BaselineStep.For(new RuntimeIdentity(RuntimeKind.DotNet, version), 0);
        Assert.Equal((CaptureType.Heap, variant, "allocations.nettrace"), (step.Type, step.Variant, ArtifactKeys.Of(step, RuntimeKind.DotNet)));
        Assert.InRange(step.Duration!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
        Assert.NotNull(step.BufferBytes);
    }

    [Fact]
    public void Of_a_go_target_the_heap_is_taken_and_expected_to_cost_what_it_did()
    {
        var step = BaselineStep.For(new RuntimeIdentity(RuntimeKind.Go, "go1.26"), 0);
        Assert.Equal((CaptureType.Heap, null, null, "heap.pb.gz"), (step.Type, step.Variant, step.Duration, ArtifactKeys.Of(step, RuntimeKind.Go)));
        Assert.True(BaselineStep.For(null, 2 << 20).CostBytes > step.CostBytes);
    }
}
