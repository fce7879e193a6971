using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;

namespace Premortem.Sidecar.Tests.Captures;

/// <summary>What holds of the plan in any state of the world.</summary>
public sealed class CapturePlanPropertiesTests
{
    private const int Runs = 3000;
    private const long Mib = 1 << 20;

    [Property(MaxTest = Runs)]
    public Property No_capture_takes_more_than_half_of_the_headroom() => Prop.ForAll(AnyWorld(), world =>
        Plan(world).Where(IsMade).All(step => Fits(step, world.Now)));

    [Property(MaxTest = Runs)]
    public Property No_capture_whose_turn_came_late_takes_more_than_half_of_what_is_left_then() => Prop.ForAll(AnyWorld(), world =>
    {
        var later = world.Now with { HeadroomBytes = world.Other };
        return Plan(world).All(step => !IsMade(step) || CapturePlanner.Revise(step, later) is var revised && (!IsMade(revised) || Fits(revised, later)));
    });

    [Property(MaxTest = Runs)]
    public Property A_step_that_still_fits_is_left_as_it_is() => Prop.ForAll(AnyWorld(), world =>
        Plan(world).All(step => CapturePlanner.Revise(step, world.Now) == step));

    [Property(MaxTest = Runs)]
    public Property What_is_bound_by_time_ends_within_its_share_of_the_time_left() => Prop.ForAll(AnyWorld(), world =>
    {
        var budget = world.Now.TimeLeft * CapturePlanner.ShareOfTimeLeft;
        var used = TimeSpan.Zero;
        foreach (var step in Plan(world).Where(IsMade))
        {
            used += CapturePlanner.StopsTarget(step) ? TimeSpan.Zero : step.CostTime!.Value;
            if (CapturePlanner.IsBoundByTime(step) && used > budget)
                return false;
        }
        return true;
    });

    [Property(MaxTest = Runs)]
    public Property Nothing_stops_the_target_for_longer_than_a_probe_waits() => Prop.ForAll(AnyWorld(), world =>
        Plan(world).All(step => !(CapturePlanner.StopsTarget(step) && world.Now.Measured.Of(step.Type, step.Variant) is null && step.CostTime > CaptureEstimates.LongestPause)));

    [Property(MaxTest = Runs)]
    public Property More_headroom_takes_nothing_away() => Prop.ForAll(AnyWorld(), world =>
    {
        if (world.Now.HeadroomBytes is not { } headroom)
            return true;
        var more = long.MaxValue / 2 - headroom > world.Other ? headroom + Math.Max(0, world.Other ?? 0) : headroom;
        return NothingIsTakenAway(world, Plan(world with { Now = world.Now with { HeadroomBytes = more } }))
            && NothingIsTakenAway(world, Plan(world with { Now = world.Now with { HeadroomBytes = null } }));
    });

    [Property(MaxTest = Runs)]
    public Property More_time_takes_nothing_away() => Prop.ForAll(AnyWorld(), world =>
        NothingIsTakenAway(world, Plan(world with { Now = world.Now with { TimeLeft = world.Now.TimeLeft + world.More } }))
            && NothingIsTakenAway(world, Plan(world with { Now = world.Now with { TimeLeft = null } })));

    [Property(MaxTest = Runs)]
    public Property Every_request_is_answered_once_and_each_file_is_one_steps() => Prop.ForAll(AnyWorld(), world =>
    {
        var plan = Plan(world);
        var keys = plan.Where(IsMade).Select(step => ArtifactKeys.Of(step, world.Now.Runtime)).ToList();
        return world.Requests.All(request => plan.Count(step => step.Type == request.Type) is var steps && (steps == 1 || (steps == 2 && request.Type == CaptureType.Heap)))
            && plan.All(step => world.Requests.Any(request => request.Type == step.Type))
            && keys.Distinct().Count() == keys.Count;
    });

    [Property(MaxTest = Runs)]
    public Property Every_step_says_what_it_costs_or_why_it_is_skipped_or_cut() => Prop.ForAll(AnyWorld(), world =>
        Plan(world).All(step => step.Decision switch
        {
            PlanDecisions.Skipped => step is { Reason.Length: > 0, Detail.Length: > 0 },
            PlanDecisions.Cut => step is { Reason: null, Detail.Length: > 0, CostBytes: >= 0, CostTime: not null },
            _ => step is { Reason: null, CostBytes: >= 0, CostTime: not null },
        }));

    [Property(MaxTest = Runs)]
    public Property The_same_world_has_the_same_plan() => Prop.ForAll(AnyWorld(), world => Plan(world).SequenceEqual(Plan(world)));

    [Property(MaxTest = Runs)]
    public Property What_is_instant_comes_before_what_records() => Prop.ForAll(AnyWorld(), world =>
    {
        var made = Plan(world).Select(step => !IsMade(step) ? 2 : step.Duration is null ? 0 : 1).ToList();
        return made.SequenceEqual(made.Order());
    });

    [Property(MaxTest = Runs)]
    public Property A_dotnet_heap_that_is_not_whole_has_types_all_the_same() => Prop.ForAll(AnyWorld(), world =>
    {
        var heap = Plan(world).Where(step => step.Type == CaptureType.Heap && IsMade(step) && step.Variant is not null).ToList();
        // While another capture records and the heap is too large to be walked there may be a dump alone.
        return heap.Count == 0 || world.Now.IsBeside || heap.Exists(step => step.Variant != CaptureVariant.HeapDump);
    });

    /// <summary>
    /// Each type that was captured still is, in a way and with buffers that are no worse. A recording may become shorter only where
    /// something before it became better: the worth goes by the policy's order.
    /// </summary>
    private static bool NothingIsTakenAway(World world, IReadOnlyList<PlannedCapture> more)
    {
        var less = Plan(world);
        var isBetter = false;
        foreach (var request in world.Requests)
        {
            // The first that differs tells: a heap is captured in two ways where one does not suffice.
            var change = Ranks(more, request.Type).Zip(Ranks(less, request.Type), (after, before) => after.CompareTo(before)).FirstOrDefault(order => order != 0);
            if (change < 0)
                return false;
            isBetter |= change > 0;
        }
        return isBetter || less.Where(IsMade).All(step => more.Any(other => IsMade(other) && other.Type == step.Type && other.Variant == step.Variant
            && !(other.Duration < step.Duration) && !(other.BufferBytes < step.BufferBytes)));
    }

    /// <summary>How good the ways are in which a type is captured, the best first; 0: there is none.</summary>
    private static IEnumerable<int> Ranks(IReadOnlyList<PlannedCapture> plan, CaptureType type) =>
        plan.Where(step => step.Type == type && IsMade(step)).Select(step => 1 + Rank(step.Variant)).OrderDescending().Concat([0, 0]).Take(2);

    private static int Rank(CaptureVariant? variant) => variant switch
    {
        CaptureVariant.Snapshot => 5,
        CaptureVariant.HeapDump => 4,
        CaptureVariant.PartialSnapshot => 3,
        CaptureVariant.AllocationSamples => 2,
        CaptureVariant.AllocationTicks => 1,
        CaptureVariant.FullDump => 3,
        CaptureVariant.WithHeapDump => 2,
        CaptureVariant.TriageDump => 1,
        _ => 0,
    };

    private static bool Fits(PlannedCapture step, CaptureConditions now) =>
        step.BufferBytes is null or > 0 && !(step.BufferBytes >= step.CostBytes)
        && (now.HeadroomBytes is not { } headroom || step.CostBytes <= Math.Max(0, headroom) * (now.IsBeside ? 0.25 : 0.5));

    private static bool IsMade(PlannedCapture step) => step.Decision != PlanDecisions.Skipped;

    private static IReadOnlyList<PlannedCapture> Plan(World world) => CapturePlanner.Plan(world.Requests, world.Now);

    private static Arbitrary<World> AnyWorld() =>
        (from requests in AnyRequests()
         from now in AnyConditions()
         from other in AnyBytes()
         from more in Gen.Choose(0, 500_000)
         select new World(requests, now, other, TimeSpan.FromMilliseconds(more))).ToArbitrary();

    private static Gen<CaptureRequest[]> AnyRequests() =>
        from types in Gen.SubListOf(Enum.GetValues<CaptureType>())
        from shuffled in Gen.Shuffle(types.ToArray())
        from seconds in Gen.Choose(1, 60).ArrayOf(types.Count)
        from dump in Gen.Elements(Enum.GetValues<DumpType>())
        select shuffled.Select((type, i) => new CaptureRequest(type, CaptureRequest.TakesTime(type) ? TimeSpan.FromSeconds(seconds[i]) : null) { DumpType = dump }).ToArray();

    private static Gen<CaptureConditions> AnyConditions() =>
        from runtime in Gen.Elements<RuntimeKind?>(null, RuntimeKind.Go, RuntimeKind.DotNet, RuntimeKind.DotNet, RuntimeKind.DotNet)
        from version in Gen.Elements(null, "8.0.12", "9.0.1", "10.0.0", "11.0.0-rc.1", "go1.26.0", "")
        from left in Gen.OneOf(Gen.Constant((int?)null), Gen.Choose(0, 200_000).Select(milliseconds => (int?)milliseconds))
        from bytes in AnyBytes().ArrayOf(5)
        from marks in Gen.Choose(0, 9).ArrayOf(4)
        from measured in AnyMeasured()
        select new CaptureConditions
        {
            Runtime = runtime,
            RuntimeVersion = version,
            TimeLeft = left is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
            HeadroomBytes = bytes[0],
            HeapBytes = Positive(bytes[1]),
            ResidentBytes = Positive(bytes[2]),
            DumpDiskBytes = bytes[3],
            SpoolRoomBytes = bytes[4],
            HasEnded = marks[0] == 0,
            WhyNoProfiles = marks[1] == 0 ? new Obstacle(Reasons.EndpointNotFound, "none") : null,
            WhyNoDump = marks[2] < 3 ? new Obstacle(Reasons.AccessDenied, "not allowed") : null,
            IsBeside = marks[3] < 2,
            Measured = measured,
        };

    private static Gen<MeasuredCosts> AnyMeasured() =>
        from types in Gen.SubListOf(Enum.GetValues<CaptureType>())
        from variants in Gen.Elements([null, .. Enum.GetValues<CaptureVariant>().Select(variant => (CaptureVariant?)variant)]).ArrayOf(types.Count)
        from times in Gen.Choose(0, 5000).ArrayOf(types.Count)
        from sizes in Gen.Choose(0, 40_000_000).ArrayOf(types.Count)
        from objects in Gen.OneOf(Gen.Constant((int?)null), Gen.Choose(1, 50_000_000).Select(count => (int?)count))
        select new MeasuredCosts
        {
            Captures = types.Select((type, i) => (Key: (type, type is CaptureType.Heap or CaptureType.Dump ? variants[i] : null), i))
                .ToDictionary(item => item.Key, item => new MeasuredCost(TimeSpan.FromMilliseconds(times[item.i]), sizes[item.i], sizes[item.i] % 2 == 0 ? sizes[item.i] / 3 : null)),
            Objects = objects,
            ObjectBytes = objects * 57L,
        };

    /// <summary>Nothing, something at every order of magnitude up to half a tebibyte, or less than nothing.</summary>
    private static Gen<long?> AnyBytes() => Gen.Frequency(
        (1, Gen.Constant((long?)null)),
        (1, Gen.Choose(-100, 0).Select(mib => (long?)(mib * Mib))),
        (10, from magnitude in Gen.Choose(15, 39)
             from thousandths in Gen.Choose(1000, 2000)
             select (long?)((1L << magnitude) / 1000 * thousandths)));

    private static long? Positive(long? bytes) => bytes < 0 ? -bytes : bytes;

    private sealed record World(CaptureRequest[] Requests, CaptureConditions Now, long? Other, TimeSpan More);
}
