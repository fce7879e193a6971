using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts.Policies;
using Xunit;

namespace Premortem.Contracts.Tests.Policies;

public sealed class PolicyMergeTests
{
    [Fact]
    public void One_policy_is_what_it_says()
    {
        var policy = Own("a", """{"triggers": [{"name": "near", "memoryUsage": {"threshold": "85%"}}], "limits": {"maxPerDay": 3}, "runtime": "Go"}""");
        var merged = PolicyMerge.For("app", [policy])!;
        Assert.Equal(policy.Spec.Triggers, merged.Spec.Triggers);
        Assert.Equal(ProfilePolicySpec.DefaultCaptures, merged.Spec.Captures);
        Assert.Equal((3, RuntimeKind.Go, policy.Spec.Storage), (merged.Spec.Limits.MaxPerDay, merged.Spec.Runtime, merged.Spec.Storage));
        Assert.Equal(["app"], merged.Spec.Containers);
        Assert.Equal(policy.Reference, merged.PolicyOf["near"]);
        Assert.Empty(merged.Shadowed);
    }

    [Fact]
    public void A_policy_made_in_code_holds_as_it_is()
    {
        var spec = new ProfilePolicySpec { Triggers = [new TimeToLimitTrigger("t", TimeSpan.FromSeconds(1))], Captures = [new(CaptureType.Dump)], Storage = new DirectoryStorage("/x"), Runtime = RuntimeKind.DotNet };
        var merged = PolicyMerge.For("app", [new ReadPolicy(ProfilePolicy.Kind, "a", null, spec)])!;
        Assert.Equal(spec.Captures, merged.Spec.Captures);
        Assert.Equal(RuntimeKind.DotNet, merged.Spec.Runtime);
    }

    [Fact]
    public void The_triggers_of_all_are_taken_and_of_two_with_one_name_the_first_wins()
    {
        var merged = PolicyMerge.For(
            "app",
            [
                Wide("a", """{"triggers": [{"name": "near", "memoryUsage": {"threshold": "70%"}}, {"name": "leak", "risingFloor": {"window": "1h", "growth": "5%"}}]}"""),
                Own("z", """{"triggers": [{"name": "near", "memoryUsage": {"threshold": "85%"}}]}"""),
            ])!;
        Assert.Equal(
            [new MemoryUsageTrigger("near", new MemoryThreshold(0.85, null), TimeSpan.Zero), new RisingFloorTrigger("leak", TimeSpan.FromHours(1), 0.05)],
            merged.Spec.Triggers);
        Assert.Equal(new PolicyReference("z", "shop"), merged.PolicyOf["near"]);
        Assert.Equal(new PolicyReference("a", null), merged.PolicyOf["leak"]);
        Assert.Equal([new ShadowedField(new("a", null), "spec.triggers[near]", new("z", "shop"))], merged.Shadowed);
    }

    [Fact]
    public void A_namespaces_own_policy_comes_first_and_then_the_name()
    {
        var merged = PolicyMerge.For(
            "app",
            [Wide("a", """{"runtime": "DotNet"}"""), Own("c", """{"go": {"port": 1}}"""), Own("b", """{"go": {"port": 2}}"""), Wide("B", """{"limits": {"maxPerDay": 1}}""")])!;
        Assert.Equal((2, RuntimeKind.DotNet, 1), (merged.Spec.Go.Port, merged.Spec.Runtime, merged.Spec.Limits.MaxPerDay));
        Assert.Equal([("c", "spec.go", "b")], merged.Shadowed.Select(field => (field.Policy.Name, field.Path, field.By.Name)));
    }

    [Fact]
    public void Captures_of_all_are_taken_and_a_policy_that_leaves_them_out_adds_none()
    {
        var merged = PolicyMerge.For(
            "app",
            [Own("a", "{}"), Own("b", """{"captures": [{"type": "Cpu", "duration": "5s"}]}"""), Wide("c", """{"captures": [{"type": "Cpu", "duration": "9s"}, {"type": "Heap"}]}""")])!;
        Assert.Equal([new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(5)), new CaptureRequest(CaptureType.Heap)], merged.Spec.Captures);
        Assert.Equal("spec.captures[Cpu]", Assert.Single(merged.Shadowed).Path);
    }

    [Fact]
    public void Where_nobody_says_what_to_capture_the_default_is() =>
        Assert.Equal(ProfilePolicySpec.DefaultCaptures, PolicyMerge.For("app", [Own("a", "{}"), Wide("b", "{}")])!.Spec.Captures);

    [Fact]
    public void A_storage_is_taken_whole_and_never_mixed()
    {
        var merged = PolicyMerge.For(
            "app",
            [
                Wide("a", """{"storage": {"s3": {"bucket": "platform", "region": "eu-west-1"}}, "flightRecorder": {"keep": 7}}"""),
                Own("b", """{"storage": {"s3": {"bucket": "shop-team"}}}"""),
            ])!;
        Assert.Equal(new S3Storage("shop-team"), merged.Spec.Storage);
        Assert.Equal(7, merged.Spec.FlightRecorder!.Keep);
        Assert.Equal(["spec.storage"], merged.Shadowed.Select(field => field.Path));
    }

    [Fact]
    public void Only_policies_that_name_the_container_or_none_hold_for_it()
    {
        ReadPolicy[] policies = [Own("a", """{"containers": ["app"]}"""), Own("b", """{"containers": ["db"], "go": {"port": 7}}"""), Wide("c", """{"runtime": "Go"}""")];
        Assert.Null(PolicyMerge.For("app", policies)!.Spec.Go.Port);
        Assert.Equal(7, PolicyMerge.For("db", policies)!.Spec.Go.Port);
        Assert.Equal(RuntimeKind.Go, PolicyMerge.For("other", policies)!.Spec.Runtime);
        Assert.Null(PolicyMerge.For("other", policies[..2]));
        Assert.Null(PolicyMerge.For("app", []));
    }

    [Fact]
    public void What_two_policies_say_alike_is_not_shadowed() =>
        Assert.Empty(PolicyMerge.For("app", [Own("a", """{"limits": {"maxPerDay": 3}}"""), Wide("a", """{"limits": {"maxPerDay": 3}}""")])!.Shadowed);

    /// <summary>Policies by the dozen, of the fields that meet.</summary>
    private static Gen<ReadPolicy> Policies { get; } =
        from isWide in Gen.Elements(true, false)
        from name in Gen.Elements("a", "b", "c", "d")
        from containers in Gen.Elements("", "\"containers\": [\"app\"],", "\"containers\": [\"db\"],")
        from triggers in Gen.SubListOf("near", "leak", "soon")
        from seconds in Gen.Choose(1, 3)
        from captures in Gen.SubListOf("Heap", "Cpu", "Dump")
        from limits in Gen.Elements("", "\"limits\": {\"maxPerDay\": 3},", "\"limits\": {\"maxPerDay\": 4},")
        from recorder in Gen.Elements("", "\"flightRecorder\": {},", "\"flightRecorder\": {\"keep\": 5},")
        select Policy(
            isWide,
            name,
            "{" + containers + limits + recorder
            + (captures.Count == 0 ? "" : $"\"captures\": [{string.Join(",", captures.Select(type => "{\"type\": \"" + type + "\"}"))}],")
            + "\"triggers\": [" + string.Join(",", triggers.Append("own").Select(trigger => $$"""{"name": "{{trigger}}", "timeToLimit": {"within": "{{seconds}}s"} }""")) + "]}");

    private static Arbitrary<List<ReadPolicy>> Sets() =>
        Policies.ListOf().Select(all => all.DistinctBy(policy => (policy.Kind, policy.Name)).ToList()).ToArbitrary();

    [Property(MaxTest = 300)]
    public Property The_order_of_what_comes_in_does_not_matter() => Prop.ForAll(Sets(), set =>
    {
        var shuffled = set.OrderBy(policy => policy.Name.GetHashCode(StringComparison.Ordinal) ^ policy.Kind.Length).ToList();
        var (one, other) = (PolicyMerge.For("app", set), PolicyMerge.For("app", shuffled));
        return Shown(one) == Shown(other);
    });

    [Property(MaxTest = 300)]
    public Property A_policy_that_comes_twice_counts_once() => Prop.ForAll(Sets(), set =>
        Shown(PolicyMerge.For("app", set)) == Shown(PolicyMerge.For("app", [.. set, .. set])));

    [Property(MaxTest = 300)]
    public Property Nothing_comes_from_nowhere_and_no_trigger_is_lost() => Prop.ForAll(Sets(), set =>
    {
        var watching = set.Where(policy => policy.Spec.Containers is [] || policy.Spec.Containers.Contains("app")).ToList();
        if (PolicyMerge.For("app", set) is not { } merged)
            return watching.Count == 0;
        var names = watching.SelectMany(policy => policy.Spec.Triggers).Select(trigger => trigger.Name).ToHashSet();
        return names.SetEquals(merged.PolicyOf.Keys)
            && merged.Spec.Triggers.Count == names.Count
            && merged.Spec.Triggers.All(trigger => watching.Single(policy => policy.Reference == merged.PolicyOf[trigger.Name]
                && policy.Spec.Triggers.Contains(trigger)) is not null);
    });

    private static string Shown(EffectivePolicy? merged) => merged is null
        ? "none"
        : string.Join("; ", [
            .. merged.Spec.Triggers.Select(trigger => $"{trigger} of {merged.PolicyOf[trigger.Name]}"),
            .. merged.Spec.Captures.Select(capture => capture.ToString()),
            merged.Spec.Limits.ToString(), $"{merged.Spec.FlightRecorder}", merged.Spec.Storage.ToString(),
            .. merged.Shadowed.Select(field => field.ToString()),
        ]);

    private static ReadPolicy Own(string name, string spec) => Policy(false, name, spec);

    private static ReadPolicy Wide(string name, string spec) => Policy(true, name, spec);

    private static ReadPolicy Policy(bool isWide, string name, string spec)
    {
        var fields = JsonNode.Parse(spec)!.AsObject();
        fields["triggers"] ??= JsonNode.Parse("""[{"name": "near", "memoryUsage": {"threshold": "85%"}}]""");
        fields["storage"] ??= JsonNode.Parse("""{"directory": {"path": "/var/lib/premortem"}}""");
        var reading = PolicyReader.ReadSpec(fields, "spec", isWide, new PolicyReadOptions());
        Assert.Empty(reading.Errors);
        return new ReadPolicy(isWide ? ProfilePolicy.ClusterKind : ProfilePolicy.Kind, name, isWide ? null : "shop", reading.Spec!);
    }
}
