using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Memory;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class CapturePlannerTests
{
    private const long Mib = 1 << 20;
    private const long Gib = 1 << 30;

    private static readonly CaptureRequest s_heap = new(CaptureType.Heap);
    private static readonly CaptureRequest s_cpu = new(CaptureType.Cpu, TimeSpan.FromSeconds(10));

    private static readonly CaptureConditions s_go = new() { Runtime = RuntimeKind.Go, RuntimeVersion = "go1.26.0" };

    /// <summary>The heap of the measurements: 526 MB in 9.26 million objects, in a process of 560 MB, with createdump and a disk.</summary>
    private static readonly CaptureConditions s_dotNet = new()
    {
        Runtime = RuntimeKind.DotNet,
        RuntimeVersion = "10.0.1",
        HeapBytes = 526_000_000,
        ResidentBytes = 560_000_000,
        DumpDiskBytes = 20 * Gib,
        SpoolRoomBytes = 256 * Mib,
        Measured = new MeasuredCosts { Objects = 9_260_000, ObjectBytes = 526_000_000 },
    };

    private static readonly Obstacle s_noDump = new(Reasons.NotSupportedByRuntime, "there is no createdump");

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
        var cpu = CapturePlanner.Plan([s_cpu], s_go with { TimeLeft = left is { } s ? TimeSpan.FromSeconds(s) : null }).Single();
        Assert.Equal((decision, TimeSpan.FromSeconds(seconds)), (cpu.Decision, cpu.Duration));
        Assert.Equal(decision == "cut", cpu.Detail is not null);
    }

    [Fact]
    public void What_runs_before_it_takes_its_time_from_a_cpu_profile()
    {
        var measured = new CaptureCosts();
        measured.Note(new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null), TimeSpan.FromSeconds(0.9), 1000);
        var now = s_go with { TimeLeft = TimeSpan.FromSeconds(10), Measured = measured.Now };
        Assert.Equal(TimeSpan.FromSeconds(5), CapturePlanner.Plan([s_heap, s_cpu], now)[1].Duration);
    }

    [Fact]
    public void The_policys_order_is_the_order_of_worth() => Assert.Equal(
        [CaptureType.Goroutine, CaptureType.Process, CaptureType.Heap, CaptureType.Mutex],
        CapturePlanner.Plan([new(CaptureType.Goroutine), new(CaptureType.Process), s_heap, new(CaptureType.Mutex)], s_go).Select(step => step.Type));

    [Fact]
    public void Cheap_comes_before_dear_and_the_short_before_the_long_and_what_is_skipped_last()
    {
        var plan = CapturePlanner.Plan(
            [new(CaptureType.Goroutine), s_cpu, new(CaptureType.GcTrace, TimeSpan.FromSeconds(2)), new(CaptureType.Dump), s_heap, new(CaptureType.Process)],
            s_dotNet with { HeadroomBytes = 4 * Gib });
        Assert.Equal(
            [CaptureType.Heap, CaptureType.Process, CaptureType.Dump, CaptureType.GcTrace, CaptureType.Cpu, CaptureType.Goroutine],
            plan.Select(step => step.Type));
    }

    [Fact]
    public void Without_profiles_what_the_process_tells_remains()
    {
        var plan = CapturePlanner.Plan(ProfilePolicySpec.DefaultCaptures, s_go with { WhyNoProfiles = new Obstacle(Reasons.EndpointNotFound, "none") });
        Assert.Equal([CaptureType.Process], plan.Where(step => step.Decision == PlanDecisions.Chosen).Select(step => step.Type));
        Assert.All(plan.Where(step => step.Type is not CaptureType.Process), step => Assert.Equal((Reasons.EndpointNotFound, "none"), (step.Reason, step.Detail)));
    }

    [Fact]
    public void Of_the_dead_nothing_is_captured() =>
        Assert.All(CapturePlanner.Plan(ProfilePolicySpec.DefaultCaptures, s_go with { HasEnded = true }), step => Assert.Equal((PlanDecisions.Skipped, Reasons.TargetExited), (step.Decision, step.Reason)));

    [Theory]
    [InlineData(RuntimeKind.Go, "Dump GcTrace")]
    [InlineData(RuntimeKind.DotNet, "Allocs Goroutine ThreadCreate Block Mutex Trace")]
    public void What_is_for_another_runtime_is_skipped_with_its_reason(RuntimeKind runtime, string types)
    {
        var all = Enum.GetValues<CaptureType>().Select(type => new CaptureRequest(type, CaptureRequest.TakesTime(type) ? TimeSpan.FromSeconds(1) : null)).ToList();
        var plan = CapturePlanner.Plan(all, runtime == RuntimeKind.Go ? s_go : s_dotNet with { HeadroomBytes = 4 * Gib });
        var skipped = plan.Where(step => step.Decision == PlanDecisions.Skipped).ToList();
        Assert.Equal(types.Split(' '), skipped.Select(step => step.Type.ToString()));
        Assert.All(skipped, step => Assert.Equal(Reasons.NotSupportedByRuntime, step.Reason));
    }

    [Fact]
    public void While_another_capture_records_nothing_else_does_and_the_two_share_the_headroom()
    {
        var plan = CapturePlanner.Plan(ProfilePolicySpec.DefaultCaptures, s_go with { IsBeside = true, HeadroomBytes = 9 * Mib });
        Assert.Equal(Reasons.StillRecording, plan.Single(step => step.Type == CaptureType.Cpu).Reason);
        Assert.Equal(PlanDecisions.Chosen, plan.Single(step => step.Type == CaptureType.Heap).Decision);
        Assert.Equal(Reasons.NotEnoughHeadroom, CapturePlanner.Plan([s_heap], s_go with { IsBeside = true, HeadroomBytes = 7 * Mib }).Single().Reason);
        Assert.Equal(PlanDecisions.Chosen, CapturePlanner.Plan([s_heap], s_go with { HeadroomBytes = 7 * Mib }).Single().Decision);
    }

    [Fact]
    public void A_small_go_program_near_its_limit_gives_all_of_its_profiles() =>
        Assert.All(CapturePlanner.Plan(ProfilePolicySpec.DefaultCaptures, s_go with { HeadroomBytes = 256 * Mib * 5 / 100 }), step => Assert.Equal(PlanDecisions.Chosen, step.Decision));

    [Fact]
    public void A_go_profile_that_was_seen_to_be_large_needs_the_headroom_for_it()
    {
        var costs = new CaptureCosts();
        costs.Note(new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null), TimeSpan.FromSeconds(0.2), 2 * Mib);
        var now = s_go with { HeadroomBytes = 60 * Mib, Measured = costs.Now };
        var skipped = CapturePlanner.Plan([s_heap], now).Single();
        Assert.Equal((Reasons.NotEnoughHeadroom, "it takes some 33 MiB in the target, and 30 MiB of the headroom of 60 MiB may be used"), (skipped.Reason, skipped.Detail));
        Assert.Equal(33 * Mib, CapturePlanner.Plan([s_heap], now with { HeadroomBytes = 66 * Mib }).Single().CostBytes);
    }

    [Fact]
    public void With_plenty_of_room_the_whole_heap_is_taken()
    {
        var heap = CapturePlanner.Plan([s_heap], s_dotNet with { HeadroomBytes = 2 * Gib }).Single();
        Assert.Equal((PlanDecisions.Chosen, CaptureVariant.Snapshot), (heap.Decision, heap.Variant));
        // 424 MB were measured, all of it in the buffers.
        Assert.InRange(heap.BufferBytes!.Value, 424_000_000, 560_000_000);
        Assert.InRange(heap.CostTime!.Value.TotalSeconds, 2.3, 12);
    }

    /// <summary>Where a snapshot of everything got the target killed.</summary>
    [Theory]
    [InlineData(71, 16)]
    [InlineData(92, 10)]
    public void Near_the_limit_a_dump_is_written_and_a_small_sample_names_the_types(int percent, int bufferMib)
    {
        var plan = CapturePlanner.Plan([s_heap, s_cpu], s_dotNet with { HeadroomBytes = Headroom(percent) });
        Assert.Equal([CaptureVariant.PartialSnapshot, CaptureVariant.HeapDump, null], plan.Select(step => step.Variant));
        Assert.Equal([PlanDecisions.Cut, PlanDecisions.Chosen, PlanDecisions.Chosen], plan.Select(step => step.Decision));
        Assert.Equal(bufferMib * Mib, plan[0].BufferBytes);
        Assert.StartsWith("a sample of the heap: a whole snapshot of some 9260000 objects takes some 5", plan[0].Detail, StringComparison.Ordinal);
        Assert.InRange(plan[1].CostTime!.Value.TotalSeconds, 1.5, 4);
        Assert.Equal(12 * Mib, plan[1].CostBytes);
    }

    /// <summary>At 92 % of the limit, buffers of 64 MB got the target killed, and of 24 MB did not.</summary>
    [Theory]
    [InlineData(71, 90, 100)]
    [InlineData(92, 8, 12)]
    public void Without_createdump_the_sample_is_as_large_as_fits(int percent, int leastMib, int mostMib)
    {
        var heap = CapturePlanner.Plan([s_heap], s_dotNet with { HeadroomBytes = Headroom(percent), WhyNoDump = s_noDump }).Single();
        Assert.Equal((PlanDecisions.Cut, CaptureVariant.PartialSnapshot), (heap.Decision, heap.Variant));
        Assert.InRange(heap.BufferBytes!.Value, leastMib * Mib, mostMib * Mib);
        Assert.EndsWith("; there is no createdump", heap.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4000, null, "Snapshot")]
    [InlineData(4000, 30.0, "Snapshot")]
    [InlineData(4000, 5.0, "PartialSnapshot HeapDump")]
    [InlineData(4000, 0.0, "PartialSnapshot HeapDump")]
    [InlineData(30, null, "PartialSnapshot HeapDump")]
    [InlineData(29, null, "HeapDump AllocationSamples")]
    [InlineData(24, null, "HeapDump AllocationSamples")]
    [InlineData(23, null, "AllocationSamples")]
    [InlineData(7, null, "AllocationSamples")]
    [InlineData(6, null, "AllocationSamples")]
    [InlineData(5, null, "")]
    [InlineData(-5, null, "")]
    public void The_best_way_that_fits_is_taken(int headroomMib, double? left, string variants)
    {
        var now = s_dotNet with { HeadroomBytes = headroomMib * Mib, TimeLeft = left is { } s ? TimeSpan.FromSeconds(s) : null };
        var plan = CapturePlanner.Plan([s_heap], now);
        Assert.Equal(variants, string.Join(' ', plan.Where(step => step.Decision != PlanDecisions.Skipped).Select(step => step.Variant)));
        if (variants.Length == 0)
            Assert.Equal((PlanDecisions.Skipped, Reasons.NotEnoughHeadroom), (plan.Single().Decision, plan[0].Reason));
    }

    [Theory]
    [InlineData("10.0.1", CaptureVariant.AllocationSamples)]
    [InlineData("11.0.0-preview.2", CaptureVariant.AllocationSamples)]
    [InlineData("9.0.4", CaptureVariant.AllocationTicks)]
    [InlineData(null, CaptureVariant.AllocationTicks)]
    [InlineData("garbage", CaptureVariant.AllocationTicks)]
    public void Allocations_are_recorded_as_the_runtime_can(string? version, CaptureVariant variant)
    {
        var heap = CapturePlanner.Plan([s_heap], s_dotNet with { HeadroomBytes = 6 * Mib, RuntimeVersion = version, TimeLeft = TimeSpan.FromSeconds(6) }).Single();
        Assert.Equal((variant, TimeSpan.FromSeconds(3), 1 * Mib), (heap.Variant, heap.Duration, heap.BufferBytes));
    }

    [Fact]
    public void The_buffers_of_a_recording_shrink_with_the_headroom()
    {
        Assert.Equal([16L, 16, 8, 1], ((int[])[1000, 36, 20, 6]).Select(mib => CapturePlanner.Plan([s_cpu], s_dotNet with { HeadroomBytes = mib * Mib }).Single().BufferBytes / Mib));
        Assert.Equal(Reasons.NotEnoughHeadroom, CapturePlanner.Plan([s_cpu], s_dotNet with { HeadroomBytes = 5 * Mib }).Single().Reason);
    }

    [Fact]
    public void A_heap_that_nobody_has_counted_is_estimated_from_its_size()
    {
        var now = s_dotNet with { Measured = MeasuredCosts.None, HeadroomBytes = 2 * Gib };
        Assert.InRange(CapturePlanner.Plan([s_heap], now).Single().BufferBytes!.Value, 424_000_000, 700_000_000);
        Assert.Equal(CaptureVariant.PartialSnapshot, CapturePlanner.Plan([s_heap], now with { HeapBytes = null, ResidentBytes = null, WhyNoDump = s_noDump }).Single().Variant);
    }

    [Fact]
    public void A_count_is_scaled_by_what_the_heap_has_grown_since() => Assert.Equal(
        2 * s_dotNet.Objects!.Value,
        (s_dotNet with { HeapBytes = 2 * s_dotNet.HeapBytes }).Objects!.Value,
        tolerance: 1);

    [Theory]
    [InlineData(100, 100)]
    [InlineData(240, 200)]
    [InlineData(90, 100)]
    public void What_has_grown_since_the_runtime_told_of_its_heap_counts_as_heap(int usedMebibytes, int heapMebibytes)
    {
        var reading = new MemoryReading(usedMebibytes * Mib, 0, 0, null, null);
        var sample = new MemorySample(default, default, reading, null) { OutsideHeapBytes = 40 * Mib };
        Assert.Equal(heapMebibytes * Mib, CaptureConditions.Heap(100 * Mib, sample));
        Assert.Equal(100 * Mib, CaptureConditions.Heap(100 * Mib, sample with { OutsideHeapBytes = null }));
        Assert.Null(CaptureConditions.Heap(null, sample));
    }

    [Fact]
    public void A_process_that_would_stand_still_for_too_long_is_neither_dumped_nor_walked()
    {
        var now = s_dotNet with { HeapBytes = 7 * Gib, ResidentBytes = 8 * Gib, SpoolRoomBytes = 100 * Gib, HeadroomBytes = 64 * Gib, Measured = MeasuredCosts.None };
        var heap = CapturePlanner.Plan([s_heap], now).Single();
        Assert.Equal(CaptureVariant.AllocationSamples, heap.Variant);
        Assert.Contains("would stop the target for some", heap.Detail, StringComparison.Ordinal);
        var dump = CapturePlanner.Plan([new(CaptureType.Dump) { DumpType = DumpType.Full }], now).Single();
        Assert.Equal((PlanDecisions.Cut, CaptureVariant.TriageDump), (dump.Decision, dump.Variant));
    }

    [Theory]
    [InlineData(DumpType.Triage, CaptureVariant.TriageDump)]
    [InlineData(DumpType.Heap, CaptureVariant.WithHeapDump)]
    [InlineData(DumpType.Full, CaptureVariant.FullDump)]
    public void The_dump_that_was_asked_for_is_written_where_it_fits(DumpType type, CaptureVariant variant)
    {
        var dump = CapturePlanner.Plan([new(CaptureType.Dump) { DumpType = type }], s_dotNet with { SpoolRoomBytes = Gib, HeadroomBytes = 24 * Mib }).Single();
        Assert.Equal((PlanDecisions.Chosen, (CaptureVariant?)variant, 12 * Mib), (dump.Decision, dump.Variant, dump.CostBytes));
    }

    [Fact]
    public void A_dump_that_the_disk_or_the_spool_cannot_take_becomes_a_smaller_one()
    {
        var asked = new CaptureRequest(CaptureType.Dump) { DumpType = DumpType.Full };
        var bySpool = CapturePlanner.Plan([asked], s_dotNet with { SpoolRoomBytes = 250 * Mib }).Single();
        Assert.Equal((PlanDecisions.Cut, CaptureVariant.WithHeapDump), (bySpool.Decision, bySpool.Variant));
        Assert.Contains("of the spool, and one capture may fill 250 MiB of it now", bySpool.Detail, StringComparison.Ordinal);
        var byDisk = CapturePlanner.Plan([asked], s_dotNet with { SpoolRoomBytes = Gib, DumpDiskBytes = 100 * Mib }).Single();
        Assert.Equal((PlanDecisions.Cut, CaptureVariant.TriageDump), (byDisk.Decision, byDisk.Variant));
        Assert.Contains("of disk, and 100 MiB are free", byDisk.Detail, StringComparison.Ordinal);
        Assert.Equal(Reasons.SpoolFull, CapturePlanner.Plan([asked], s_dotNet with { SpoolRoomBytes = Mib }).Single().Reason);
        Assert.Equal(Reasons.DiskFull, CapturePlanner.Plan([asked], s_dotNet with { SpoolRoomBytes = Gib, DumpDiskBytes = Mib }).Single().Reason);
        Assert.Equal((Reasons.NotSupportedByRuntime, "there is no createdump"), CapturePlanner.Plan([asked], s_dotNet with { WhyNoDump = s_noDump }).Select(step => (step.Reason, step.Detail)).Single());
    }

    [Fact]
    public void A_snapshot_that_the_spool_cannot_take_is_not_begun()
    {
        var heap = CapturePlanner.Plan([s_heap], s_dotNet with { HeadroomBytes = 2 * Gib, SpoolRoomBytes = 30 * Mib }).Single();
        Assert.Equal((CaptureVariant.PartialSnapshot, 90 * Mib), (heap.Variant, heap.BufferBytes));
        Assert.Contains("of the spool", heap.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void One_dump_of_the_heap_is_enough()
    {
        var now = s_dotNet with { HeadroomBytes = Headroom(92) };
        var plan = CapturePlanner.Plan([s_heap, new(CaptureType.Dump)], now);
        Assert.Equal([CaptureVariant.PartialSnapshot, CaptureVariant.WithHeapDump], plan.Select(step => step.Variant));
        plan = CapturePlanner.Plan([s_heap, new(CaptureType.Dump) { DumpType = DumpType.Triage }], now);
        Assert.Equal([CaptureVariant.PartialSnapshot, CaptureVariant.TriageDump, CaptureVariant.HeapDump], plan.Select(step => step.Variant).OrderBy(v => v == CaptureVariant.HeapDump));
    }

    [Fact]
    public void A_step_whose_turn_comes_late_is_held_against_what_is_left_of_the_headroom()
    {
        var now = s_dotNet with { HeadroomBytes = 2 * Gib };
        var snapshot = CapturePlanner.Plan([s_heap], now).Single();
        Assert.Same(snapshot, CapturePlanner.Revise(snapshot, now));
        var smaller = CapturePlanner.Revise(snapshot, now with { HeadroomBytes = 100 * Mib });
        Assert.Equal((PlanDecisions.Cut, CaptureVariant.PartialSnapshot, 37 * Mib, 50 * Mib), (smaller.Decision, smaller.Variant, smaller.BufferBytes, smaller.CostBytes));
        Assert.Contains("the headroom fell to 100 MiB", smaller.Detail, StringComparison.Ordinal);
        Assert.Equal(Reasons.NotEnoughHeadroom, CapturePlanner.Revise(snapshot, now with { HeadroomBytes = 4 * Mib }).Reason);
        var dump = CapturePlanner.Plan([new(CaptureType.Dump)], now).Single();
        Assert.Equal((PlanDecisions.Skipped, Reasons.NotEnoughHeadroom), (CapturePlanner.Revise(dump, now with { HeadroomBytes = 20 * Mib }).Decision, CapturePlanner.Revise(dump, now with { HeadroomBytes = 20 * Mib }).Reason));
    }

    [Theory]
    [InlineData(100, 60, null, null, 40)]
    [InlineData(100, 60, 80, null, 20)]
    [InlineData(100, 60, null, 10, 10)]
    [InlineData(100, 120, null, 1000, -20)]
    [InlineData(null, 60, null, 1000, 1000)]
    [InlineData(null, 60, null, null, null)]
    public void The_headroom_is_what_is_left_until_a_kill(int? limit, int unreclaimable, int? given, int? available, int? headroom) => Assert.Equal(
        headroom,
        CaptureConditions.Headroom(new MemoryReading(unreclaimable + 30, 10, 20, limit, 0), given, available));

    [Fact]
    public void A_plan_fits_into_a_line_of_the_log() => Assert.Equal(
        "Heap (PartialSnapshot, buffers 10 MiB), Heap (HeapDump), Cpu for 5s (buffers 16 MiB), no Goroutine (NotSupportedByRuntime)",
        PlanText.Line(CapturePlanner.Plan([s_heap, new(CaptureType.Goroutine), s_cpu], s_dotNet with { HeadroomBytes = Headroom(92), TimeLeft = TimeSpan.FromSeconds(10) })));

    [Fact]
    public void A_step_is_explained_with_its_cost() => Assert.Equal(
        "Cpu: cut for 5s with buffers of 8 MiB; expected to take 5.5s and 10 MiB in the target: buffers of 8 MiB to fit the headroom; cut from 10s to fit the time left",
        PlanText.Step(CapturePlanner.Plan([s_cpu], s_dotNet with { HeadroomBytes = 20 * Mib, TimeLeft = TimeSpan.FromSeconds(10) }).Single()));

    /// <summary>What is left where a working set of 560 MB is that much of the limit.</summary>
    private static long Headroom(int percent) => (560_000_000L * 100 / percent) - 560_000_000;
}
