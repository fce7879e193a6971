using System.Text.Json.Nodes;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies;

public sealed class PolicySelectorTests
{
    private static readonly NamespaceView Shop = new("shop", new Dictionary<string, string> { ["team"] = "pay" });

    [Theory]
    [InlineData("""{}""", true)]
    [InlineData("""{"matchLabels": {"app": "checkout"}}""", true)]
    [InlineData("""{"matchLabels": {"app": "cart"}}""", false)]
    [InlineData("""{"matchLabels": {"app": "checkout", "tier": "web"}}""", false)]
    [InlineData("""{"matchExpressions": [{"key": "app", "operator": "In", "values": ["cart", "checkout"]}]}""", true)]
    [InlineData("""{"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}""", false)]
    [InlineData("""{"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["checkout"]}]}""", false)]
    [InlineData("""{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}""", true)]
    [InlineData("""{"matchExpressions": [{"key": "app", "operator": "Exists"}]}""", true)]
    [InlineData("""{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}""", false)]
    [InlineData("""{"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}""", true)]
    [InlineData("""{"matchLabels": {"app": "checkout"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}""", false)]
    public void A_selector_selects_as_the_API_server_does(string selector, bool selects) =>
        Assert.Equal(selects, PolicySelector.Select(new Dictionary<string, string> { ["app"] = "checkout" }, Shop, [Own("a", selector)]).Count == 1);

    [Fact]
    public void A_pod_without_labels_is_selected_by_what_asks_for_none()
    {
        Assert.Single(PolicySelector.Select(null, Shop, [Own("a", "{}")]));
        Assert.Empty(PolicySelector.Select(null, Shop, [Own("a", """{"matchLabels": {"app": "checkout"}}""")]));
    }

    [Theory]
    [InlineData("""null""")]
    [InlineData("""7""")]
    [InlineData("""{"matchLabels": []}""")]
    [InlineData("""{"matchLabels": {"app": 7}}""")]
    [InlineData("""{"matchExpressions": {}}""")]
    [InlineData("""{"matchExpressions": [null]}""")]
    [InlineData("""{"matchExpressions": [{"key": "app", "operator": "Near"}]}""")]
    public void A_selector_that_nobody_can_read_selects_nothing(string selector)
    {
        var view = Own("a", selector);
        Assert.False(view.IsValid);
        Assert.Empty(PolicySelector.Select(new Dictionary<string, string> { ["app"] = "checkout" }, Shop, [view]));
        Assert.Empty(PolicySelector.Select(null, Shop, [view]));
    }

    [Fact]
    public void An_invalid_policy_selects_too_so_that_somebody_is_told()
    {
        var view = View("a", "shop", """{"selector": {}, "triggers": []}""");
        Assert.False(view.IsValid);
        Assert.Null(view.Policy);
        Assert.Same(view, Assert.Single(PolicySelector.Select(null, Shop, [view])));
    }

    [Fact]
    public void The_namespaces_own_come_first_and_then_the_name()
    {
        PolicyView[] all = [Wide("a", "{}", "{}"), Own("z", "{}"), Own("b", "{}"), Wide("B", "{}", "{}"), View("c", "other", "{}")];
        Assert.Equal(["shop/b", "shop/z", "B", "a"], PolicySelector.Select(null, Shop, all).Select(policy => policy.FullName));
    }

    [Theory]
    [InlineData("{}", true)]
    [InlineData("""{"matchLabels": {"team": "pay"}}""", true)]
    [InlineData("""{"matchLabels": {"team": "ops"}}""", false)]
    [InlineData("""{"matchLabels": 3}""", false)]
    public void A_cluster_policy_selects_in_the_namespaces_that_it_selects(string namespaces, bool selects) =>
        Assert.Equal(selects, PolicySelector.Select(null, Shop, [Wide("a", "{}", namespaces)]).Count == 1);

    [Fact]
    public void A_cluster_policy_that_names_no_namespaces_means_all() =>
        Assert.Single(PolicySelector.Select(null, Shop, [View("a", null, """{"selector": {}}""")]));

    [Fact]
    public void A_schedule_that_never_comes_makes_a_policy_invalid()
    {
        var view = View("a", "shop", """{"selector": {}, "triggers": [{"name": "x", "schedule": {"cron": "0 3 31 2 *"}}], "storage": {"directory": {"path": "/x"}}}""");
        Assert.Equal("spec.triggers[0].schedule.cron: is '0 3 31 2 *', a time that never comes", Assert.Single(view.Reading.Errors).ToString());
    }

    private static PolicyView Own(string name, string selector) => View(name, "shop", $$"""{"selector": {{selector}}}""");

    private static PolicyView Wide(string name, string selector, string namespaces) => View(name, null, $$"""{"selector": {{selector}}, "namespaceSelector": {{namespaces}}}""");

    internal static PolicyView View(string name, string? @namespace, string spec) => PolicyView.From(Resource(name, @namespace, spec));

    internal static PolicyResource Resource(string name, string? @namespace, string spec, long generation = 1, string uid = "1") => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = @namespace, Generation = generation, Uid = uid },
        Spec = JsonNode.Parse(spec)!.AsObject(),
    };
}
