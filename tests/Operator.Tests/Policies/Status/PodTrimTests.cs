using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class PodTrimTests
{
    private const string Settings = """{"schema":"x","revision":"abc","policies":[{"revision":"no"}],"spoolBytes":1024}""";

    [Fact]
    public void Settings_become_their_print()
    {
        var print = Trim(Names.ConfigAnnotation, Settings);
        Assert.Equal(("abc", 1024L), (SettingsPrint.RevisionOf(print), SettingsPrint.SpoolOf(print)));
        Assert.InRange(print!.Length, 10, 100);
        Assert.Equal(print, SettingsPrint.Of(Settings));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("""{"revision": 7, "spoolBytes": "much"}""")]
    [InlineData("""{"revision": "two words"}""")]
    [InlineData("""{"revision": "abc", """)]
    public void Settings_of_somebody_else_have_a_print_of_their_own(string settings)
    {
        var print = SettingsPrint.Of(settings);
        Assert.NotEqual(print, SettingsPrint.Of(Settings));
        Assert.Null(SettingsPrint.SpoolOf(print));
    }

    [Fact]
    public void Settings_that_were_tampered_with_are_known()
    {
        var other = SettingsPrint.Of(Settings.Replace("no", "yes", StringComparison.Ordinal));
        Assert.Equal("abc", SettingsPrint.RevisionOf(other));
        Assert.NotEqual(SettingsPrint.Of(Settings), other);
    }

    [Theory]
    [InlineData("premortem.dev/inject", true)]
    [InlineData("premortem.dev/status", true)]
    [InlineData("kubernetes.io/config.mirror", true)]
    [InlineData("kubectl.kubernetes.io/last-applied-configuration", false)]
    public void Of_annotations_ours_and_the_kubelet_s_are_kept(string name, bool isKept) => Assert.Equal(isKept, Trim(name, "x") is not null);

    [Fact]
    public void A_change_that_concerns_nobody_is_told_apart()
    {
        var pod = new Pod { Metadata = new ObjectMeta { Name = "a", Uid = "1", ResourceVersion = "1", Labels = Map("app", "x") }, Status = new PodStatus { Phase = "Pending" } };
        Assert.False(PodStanding.IsChanged(pod, pod with { Metadata = pod.Metadata with { ResourceVersion = "2", Labels = Map("app", "x") }, Status = new PodStatus { Phase = "Running" } }));
        Assert.True(PodStanding.IsChanged(pod, pod with { Status = new PodStatus { Phase = "Succeeded" } }));
        Assert.True(PodStanding.IsChanged(pod, pod with { Metadata = pod.Metadata with { Labels = Map("app", "y") } }));
        Assert.True(PodStanding.IsChanged(pod, pod with { Metadata = pod.Metadata with { DeletionTimestamp = DateTimeOffset.UnixEpoch } }));
        Assert.True(PodStanding.IsChanged(pod, pod with { Metadata = pod.Metadata with { Annotations = Map(Names.StatusAnnotation, "{}") } }));

        static Dictionary<string, string> Map(string key, string value) => new() { [key] = value };
    }

    private static string? Trim(string name, string value) =>
        PodTrim.Trim(new Pod { Metadata = new ObjectMeta { Annotations = new Dictionary<string, string> { [name] = value } } }).Metadata.Annotations?.GetValueOrDefault(name);
}
