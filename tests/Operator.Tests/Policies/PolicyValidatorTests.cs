using System.Text.Json.Nodes;
using Premortem.Operator.Policies;
using Premortem.Runtime.Admission;
using Xunit;
using static Premortem.Operator.Tests.Policies.PolicyCorpusTests;

namespace Premortem.Operator.Tests.Policies;

public sealed class PolicyValidatorTests
{
    private const string Rest = "\"storage\": {\"directory\": {\"path\": \"/x\"}}, \"selector\": {\"matchLabels\": {\"app\": \"checkout\"}}";
    private const string Near = "\"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"85%\"}}]";
    private const string Broken = "{\"selector\": {}, \"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"0%\"}}], \"limits\": {\"maxPerDay\": 0}}";

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once() =>
        Assert.Equal(
            """
            ProfilePolicy checkout is invalid:
            - spec.triggers[0].memoryUsage.threshold: is '0%', but has to be above 0% and at most 100%, like 85%
            - spec.limits.maxPerDay: is 0, but has to be a whole number from 1 to 10000
            - spec.storage: is required
            """,
            Refusal(PolicyValidator.Validate(Create(Broken))));

    [Fact]
    public void One_thing_is_told_on_one_line() =>
        Assert.Equal(
            "ProfilePolicy checkout is invalid: spec.selector: is required: say which pods by their labels; {} means all",
            Refusal(PolicyValidator.Validate(Create("{" + Near + ", \"storage\": {\"directory\": {\"path\": \"/x\"}}}"))));

    [Fact]
    public void A_thousand_problems_are_cut()
    {
        var message = Refusal(PolicyValidator.Validate(Create("{" + string.Join(",", Enumerable.Range(0, 1000).Select(i => $"\"{new string('z', 900)}{i}\": 1")) + "}")));
        Assert.Contains("\n- and 983 more", message, StringComparison.Ordinal);
        Assert.True(message.Length < 10_000);
    }

    [Fact]
    public void What_was_invalid_before_may_have_its_labels_changed()
    {
        var old = Document(Broken);
        var now = old.DeepClone().AsObject();
        now["metadata"]!["labels"] = new JsonObject { ["team"] = "pay" };
        Assert.True(PolicyValidator.Validate(Request(now, old)).IsAllowed);
    }

    [Fact]
    public void An_invalid_policy_that_is_being_deleted_is_not_held_up()
    {
        var now = Document(Broken);
        now["metadata"]!["deletionTimestamp"] = "2026-01-01T00:00:00Z";
        Assert.True(PolicyValidator.Validate(Request(now, Document("{" + Near + "," + Rest + "}"))).IsAllowed);
    }

    [Fact]
    public void A_change_to_something_invalid_is_refused() =>
        Assert.False(PolicyValidator.Validate(Request(Document(Broken), Document("{" + Near + "," + Rest + "}"))).IsAllowed);

    [Fact]
    public void Status_deletion_and_other_kinds_are_none_of_its_business()
    {
        var request = Create(Broken);
        Assert.True(PolicyValidator.Validate(request with { SubResource = "status" }).IsAllowed);
        Assert.True(PolicyValidator.Validate(request with { Operation = "DELETE" }).IsAllowed);
        Assert.True(PolicyValidator.Validate(request with { Operation = "CONNECT" }).IsAllowed);
        Assert.True(PolicyValidator.Validate(request with { Kind = "Pod" }).IsAllowed);
        Assert.True(PolicyValidator.Validate(request with { Object = null }).IsAllowed);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"spec\"")]
    public void A_spec_that_is_none_is_refused(string spec) =>
        Assert.Equal("ProfilePolicy checkout is invalid: spec: is required", Refusal(PolicyValidator.Validate(Create(spec))));

    [Fact]
    public void A_policy_without_a_name_yet_is_read_too()
    {
        var request = Create("{" + Near + "," + Rest + "}");
        request.Object!["metadata"] = new JsonObject { ["generateName"] = "checkout-" };
        Assert.True(PolicyValidator.Validate(request with { Name = null }).IsAllowed);
        Assert.True(PolicyValidator.Validate(request with { Name = "" }).IsAllowed);
    }

    [Fact]
    public void A_capture_once_made_is_not_changed()
    {
        var old = Document("{\"podName\": \"a\"}", "ProfileCapture");
        Assert.Equal(
            "ProfileCapture checkout is invalid: spec: cannot be changed; create another ProfileCapture to capture again",
            Refusal(PolicyValidator.Validate(Request(Document("{\"podName\": \"b\"}", "ProfileCapture"), old))));
        Assert.True(PolicyValidator.Validate(Request(Document("{\"podName\": \"a\"}", "ProfileCapture"), old)).IsAllowed);
    }

    [Fact]
    public void A_capture_that_names_a_trigger_is_told_that_it_asks_for_nothing()
    {
        var answer = PolicyValidator.Validate(Request(Document("{\"podName\": \"a\", \"trigger\": \"near\"}", "ProfileCapture")));
        Assert.True(answer.IsAllowed);
        Assert.StartsWith("spec.trigger: is set", Assert.Single(answer.Warnings), StringComparison.Ordinal);
        Assert.Empty(PolicyValidator.Validate(Request(Document("{\"podName\": \"a\"}", "ProfileCapture"))).Warnings);
    }

    [Theory]
    [InlineData("\"runtime\": \"DotNet\", \"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"900Mi\"}}]", "spec.triggers[0].memoryUsage.threshold: a .NET heap ends at 75% of the container's limit by default, so that 900Mi is never reached where the limit is below 1.2 GiB; write a share like 85%, which is of the runtime's own limit, or set DOTNET_GCHeapHardLimitPercent")]
    [InlineData("\"runtime\": \"DotNet\", \"captures\": [{\"type\": \"Heap\"}, {\"type\": \"Goroutine\"}]", "spec.captures[1].type: Goroutine is nothing that DotNet has: it is passed over")]
    [InlineData("\"triggers\": [{\"name\": \"ahead\", \"timeToLimit\": {\"within\": \"5s\"}}], \"captures\": [{\"type\": \"Cpu\", \"duration\": \"6s\"}]", "spec.captures[0].duration: Cpu takes 6s, but the trigger ahead fires 5s ahead of the limit: it is cut to the time that is left")]
    [InlineData("\"triggers\": [{\"name\": \"ahead\", \"timeToLimit\": {\"within\": \"5s\"}}]", "spec.captures: Cpu takes 10s, but the trigger ahead fires 5s ahead of the limit: it is cut to the time that is left")]
    [InlineData("\"storage\": {\"s3\": {\"bucket\": \"profiles\"}}", "spec.storage.s3.region: is not set, and there is no endpoint: the region comes from the environment, and captures fail where it has none")]
    public void What_is_legal_and_suspicious_is_warned_of(string fields, string warning)
    {
        var answer = PolicyValidator.Validate(Create("{" + fields + (fields.Contains("triggers", StringComparison.Ordinal) ? "" : "," + Near)
            + (fields.Contains("storage", StringComparison.Ordinal) ? ", \"selector\": {}" : "," + Rest) + "}"));
        Assert.True(answer.IsAllowed, answer.Message);
        Assert.Equal([warning], answer.Warnings);
    }

    [Theory]
    [InlineData("\"runtime\": \"DotNet\", \"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"95%\"}}]")]
    [InlineData("\"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"900Mi\"}}]")]
    [InlineData("\"runtime\": \"DotNet\"," + Near)]
    [InlineData("\"triggers\": [{\"name\": \"ahead\", \"timeToLimit\": {\"within\": \"10s\"}}]")]
    [InlineData("\"runtime\": \"Auto\", \"captures\": [{\"type\": \"Goroutine\"}, {\"type\": \"Dump\"}]," + Near)]
    public void What_is_as_it_should_be_is_not_warned_of(string fields) => Assert.Empty(PolicyValidator.Validate(Create("{" + fields + "," + Rest + "}")).Warnings);

    [Fact]
    public void Nothing_that_can_be_captured_is_worth_a_word() =>
        Assert.Contains(
            "spec.captures: none of them can be had from Go: nothing but the memory timeline is captured",
            PolicyValidator.Validate(Create("{\"runtime\": \"Go\", \"captures\": [{\"type\": \"Dump\"}]," + Near + "," + Rest + "}")).Warnings);

    [Fact]
    public void A_policy_that_selects_no_pod_is_told_where_to_look()
    {
        var request = Create("{" + Near + "," + Rest + "}");
        Assert.Equal(
            ["spec.selector: selects no pod that runs now: compare it with 'kubectl get pods -n shop --show-labels'"],
            PolicyValidator.Validate(request, _ => 0).Warnings);
        Assert.Empty(PolicyValidator.Validate(request, _ => 1).Warnings);
        var seen = "";
        PolicyValidator.Validate(request, view =>
        {
            seen = view.FullName;
            return 1;
        });
        Assert.Equal("shop/checkout", seen);
    }

    [Fact]
    public void A_policy_behind_another_is_told_what_does_not_count()
    {
        var first = PolicySelectorTests.View("a", "shop", "{\"limits\": {\"maxPerDay\": 1}," + Near + "," + Rest + "}");
        var request = Create("{\"limits\": {\"maxPerDay\": 2}, \"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"90%\"}}]," + Rest + "}");
        Assert.Equal(
            ["spec.triggers[near]: does not count where ProfilePolicy shop/a selects the same pod: it comes first; so it is with spec.limits"],
            PolicyValidator.Validate(request, null, _ => [first]).Warnings);
    }

    [Theory]
    [InlineData("z", "shop", Near + "," + Rest)]
    [InlineData("a", "bank", Near + "," + Rest)]
    [InlineData("a", "shop", Near + ", \"storage\": {\"directory\": {\"path\": \"/y\"}}, \"selector\": {\"matchLabels\": {\"app\": \"cart\"}}")]
    [InlineData("a", null, Near + "," + Rest)]
    [InlineData("a", "shop", "\"selector\": {}")]
    public void A_policy_that_comes_later_or_elsewhere_or_is_invalid_takes_nothing_away(string name, string? @namespace, string spec)
    {
        var other = PolicySelectorTests.View(name, @namespace, "{" + spec + "}");
        Assert.Empty(PolicyValidator.Validate(Create("{\"triggers\": [{\"name\": \"near\", \"memoryUsage\": {\"threshold\": \"90%\"}}]," + Rest + "}"), null, _ => [other]).Warnings);
    }

    private static AdmissionRequest Create(string spec) => Request(Document(spec));

    private static JsonObject Document(string spec, string kind = "ProfilePolicy") => new()
    {
        ["apiVersion"] = "premortem.dev/v1alpha1",
        ["kind"] = kind,
        ["metadata"] = new JsonObject { ["name"] = "checkout", ["namespace"] = "shop" },
        ["spec"] = JsonNode.Parse(spec),
    };

    private static string Refusal(AdmissionAnswer answer)
    {
        Assert.False(answer.IsAllowed);
        return answer.Message!;
    }
}
