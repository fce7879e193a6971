using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class CapturePlannerTests
{
    private static readonly CaptureRequest[] s_all = [.. Enum.GetValues<CaptureType>().Reverse().Select(type => new CaptureRequest(type, CaptureRequest.TakesTime(type) ? TimeSpan.FromSeconds(10) : null))];

    [Theory]
    [InlineData(null, 10, "chosen")]
    [InlineData(100.0, 10, "chosen")]
    [InlineData(16.7, 10, "chosen")]
    [InlineData(16.6, 9, "cut")]
    [InlineData(10.0, 6, "cut")]
    [InlineData(1.7, 1, "cut")]
    [InlineData(1.6, 1, "cut")]
    [InlineData(0.0, 1, "cut")]
    public void A_cpu_profile_is_cut_to_the_time_that_is_left(double? left, double seconds, string decision)
    {
        var cpu = Plan([new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(10))], left).Single();
        Assert.Equal((decision, TimeSpan.FromSeconds(seconds)), (cpu.Decision, cpu.Duration));
        Assert.Equal(decision == "cut", cpu.Detail is not null);
    }

    [Fact]
    public void Most_worth_comes_first_and_what_takes_time_last() => Assert.Equal(
        [CaptureType.Heap, CaptureType.Dump, CaptureType.Goroutine, CaptureType.Process, CaptureType.Allocs, CaptureType.Block, CaptureType.Mutex, CaptureType.ThreadCreate, CaptureType.Cpu, CaptureType.GcTrace, CaptureType.Trace],
        Plan(s_all, null).Select(step => step.Type));

    [Fact]
    public void The_shortest_of_those_that_take_time_comes_first() => Assert.Equal(
        [CaptureType.Trace, CaptureType.Cpu],
        Plan([new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(10)), new CaptureRequest(CaptureType.Trace, TimeSpan.FromSeconds(1))], 30).Select(step => step.Type));

    [Fact]
    public void Without_profiles_what_the_process_tells_remains()
    {
        var plan = CapturePlanner.Plan(s_all, hasProfiles: false, "EndpointNotFound: none", null);
        Assert.Equal([CaptureType.Process], plan.Where(step => step.Decision == PlanDecisions.Chosen).Select(step => step.Type));
        Assert.All(plan.Where(step => step.Type is CaptureType.Heap or CaptureType.Cpu), step => Assert.Equal("EndpointNotFound: none", step.Detail));
    }

    [Fact]
    public void What_is_for_another_runtime_is_skipped_with_its_reason() =>
        Assert.All(Plan(s_all, null).Where(step => step.Type is CaptureType.Dump or CaptureType.GcTrace), step =>
        {
            Assert.Equal(PlanDecisions.Skipped, step.Decision);
            Assert.StartsWith(Reasons.NotSupportedByRuntime, step.Detail, StringComparison.Ordinal);
        });

    [Property(MaxTest = 500)]
    public Property Durations_fit_into_the_time_left_or_are_the_least() => Prop.ForAll(AnyPlan(), given =>
    {
        var timed = Plan(given.Requests, given.Left).Where(step => step is { Decision: not PlanDecisions.Skipped, Duration: not null }).ToList();
        var longer = timed.Where(step => step.Duration > TimeSpan.FromSeconds(1)).ToList();
        var leasts = timed.TakeWhile(step => longer.Count == 0 || step != longer[^1]).Count(step => step.Duration <= TimeSpan.FromSeconds(1));
        return longer.Sum(step => step.Duration!.Value.TotalSeconds) + (longer.Count == 0 ? 0 : leasts) <= (given.Left * CapturePlanner.ShareOfTimeLeft) + 1e-6 || longer.Count == 0;
    });

    [Property(MaxTest = 500)]
    public Property More_time_takes_nothing_away() => Prop.ForAll(AnyPlan(), given =>
    {
        var (less, more) = (Plan(given.Requests, given.Left), Plan(given.Requests, given.Left + given.More));
        return less.Count == given.Requests.Length
            && less.Zip(more).All(pair => pair.First.Type == pair.Second.Type
                && (pair.First.Decision == PlanDecisions.Skipped) == (pair.Second.Decision == PlanDecisions.Skipped)
                && !(pair.Second.Duration < pair.First.Duration));
    });

    [Property(MaxTest = 200)]
    public Property The_heap_is_always_first() => Prop.ForAll(AnyPlan(), given =>
        given.Requests.All(request => request.Type != CaptureType.Heap) || Plan(given.Requests, given.Left)[0].Type == CaptureType.Heap);

    private static IReadOnlyList<PlannedCapture> Plan(IReadOnlyList<CaptureRequest> requests, double? left) =>
        CapturePlanner.Plan(requests, hasProfiles: true, "", left is { } seconds ? TimeSpan.FromSeconds(seconds) : null);

    private static Arbitrary<(CaptureRequest[] Requests, double Left, double More)> AnyPlan() =>
        (from types in Gen.SubListOf(Enum.GetValues<CaptureType>())
         from seconds in Gen.Choose(1, 60).ArrayOf(types.Count)
         from left in Gen.Choose(0, 2000)
         from more in Gen.Choose(0, 500)
         select (types.Select((type, i) => new CaptureRequest(type, CaptureRequest.TakesTime(type) ? TimeSpan.FromSeconds(seconds[i]) : null)).ToArray(), left / 10.0, more / 10.0)).ToArbitrary();
}
