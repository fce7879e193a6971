using System.Globalization;
using Premortem.Contracts;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>A story with a way to the bucket of its own.</summary>
public abstract class FaultStory(Ground all) : Story(all)
{
    internal async Task<FaultsGround> OpenAsync(string name, IDictionary<string, string>? labels = null) => new(Cluster, Bucket, await OpenShopAsync(name, labels));

    /// <summary>As go-leak's flag -at has it.</summary>
    protected static string Seconds(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    /// <summary>Nothing in the pod was ever started again: neither a capture nor a fault has killed it.</summary>
    internal static async Task IsUndisturbedAsync(FaultsGround ground, string pod, params string[] containers)
    {
        var now = await ground.GetAsync("pod", pod);
        foreach (var container in containers.Append(Names.SidecarContainer))
            Assert.True(FaultsGround.RestartsOf(now, container) == 0, $"{container} of {pod} was started again: {FaultsGround.StatusOf(now, container)}");
    }
}
