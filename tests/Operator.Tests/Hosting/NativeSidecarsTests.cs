using Premortem.Operator.Hosting;
using Premortem.Operator.Resources;
using Xunit;

namespace Premortem.Operator.Tests.Hosting;

public sealed class NativeSidecarsTests
{
    [Theory]
    [InlineData(true, "v1.29.0", "v1.29.0")]
    [InlineData(true, "v1.36.1", "v1.33.5-eks-3025e55", "v1.30.0+rke2r1")]
    [InlineData(true, "v1.30+")]
    [InlineData(true, "v2.0.0", "v2.0.0")]
    [InlineData(false, "v1.28.9")]
    [InlineData(false, "v1.30.0", "v1.30.0", "v1.28.4")]
    [InlineData(false, "v1.20.2", "v1.30.0")]
    [InlineData(false, "v1.30.0", "who knows")]
    [InlineData(false, null)]
    public void The_oldest_of_all_decides(bool expected, string? server, params string[] kubelets) =>
        Assert.Equal(expected, NativeSidecars.Decide(NativeSidecarMode.Auto, kubelets, server));

    [Fact]
    public void A_word_of_the_user_decides()
    {
        Assert.True(NativeSidecars.Decide(NativeSidecarMode.Always, ["v1.20.0"], "v1.20.0"));
        Assert.False(NativeSidecars.Decide(NativeSidecarMode.Never, ["v1.36.0"], "v1.36.0"));
    }

    [Fact]
    public void Kubelets_of_Windows_do_not_count()
    {
        Node[] nodes = [Node("v1.30.0", "linux"), Node("v1.20.0", "windows")];
        Assert.Equal(["v1.30.0"], NativeSidecars.Kubelets(nodes));

        static Node Node(string version, string os) => new() { Status = new NodeStatus { NodeInfo = new NodeInfo(version, os) } };
    }
}
