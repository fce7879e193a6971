using k8s;
using k8s.Models;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>Two operators as the chart installs them, and one of them dies without a word.</summary>
public sealed class TwoReplicasTests
{
    /// <remarks>
    /// What is promised: a review that the dead replica had taken is lost, and its pod is let through, since nothing may hold up a pod. A connection
    /// that is made after it died goes to the other one: there is no gap.
    /// </remarks>
    [Fact]
    public async Task The_leader_is_killed_and_pods_go_on_to_be_injected_and_the_other_one_leads()
    {
        await using var ground = await ReleaseStoryGround.InstallAsync();
        var first = await ground.StartOperatorAsync();
        var leader = await Eventually.Holds(ground.LeaderAsync, holder => holder is { Length: > 0 }, "a leader", TimeSpan.FromSeconds(20));
        await ground.StartOperatorAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        if (!ground.HasControllers)
            await ground.Server.TokenAsync(ns.Name, "default");
        await ground.Server.ApplyAsync(OperatorGround.Policy("checkout", "shop", "85%"), ns.Name);
        var old = await Eventually.Holds(CreateAsync, OperatorGround.IsInjected, "a pod with the sidecar", TimeSpan.FromSeconds(20));

        using var stop = new CancellationTokenSource();
        var killed = 0;
        var making = Task.Run(async () =>
        {
            var made = new List<(V1Pod Pod, bool IsAfter)>();
            while (!stop.IsCancellationRequested)
            {
                // Begun after the death, not merely ended after it.
                var isAfter = Volatile.Read(ref killed) == 1;
                made.Add((await CreateAsync(), isAfter));
            }
            return made;
        });
        await Eventually.Holds(() => ground.Client.CoreV1.ListNamespacedPodAsync(ns.Name), pods => pods.Items.Count > 20, "pods before the death", TimeSpan.FromSeconds(30));
        await first.KillAsync();
        ground.Service.Remove(first.HttpsPort);
        Volatile.Write(ref killed, 1);

        await Eventually.Holds(ground.LeaderAsync, holder => holder is { Length: > 0 } && holder != leader, "another leader", TimeSpan.FromSeconds(30));
        await stop.CancelAsync();
        var made = await making;
        Assert.True(made.Count(item => item.IsAfter) > 10, "hardly a pod was made without the first replica");
        Assert.DoesNotContain(made, item => item.IsAfter && !OperatorGround.IsInjected(item.Pod));
        // One creation was under way at most when it died.
        Assert.InRange(made.Count(item => !OperatorGround.IsInjected(item.Pod)), 0, 1);

        // The work of the lead goes on: what stands is told of a change, and counted.
        await ground.Server.ApplyAsync(OperatorGround.Policy("checkout", "shop", "60%"), ns.Name);
        await ground.PodAsync(ns.Name, old.Name(), settings => settings.ToJsonString().Contains("60%", StringComparison.Ordinal), "new settings by the other one");
        var injected = (await ground.Client.CoreV1.ListNamespacedPodAsync(ns.Name)).Items.Count(OperatorGround.IsInjected);
        await Eventually.Holds(
            async () => (int?)(await ground.CustomAsync(ns.Name, "profilepolicies", "checkout"))["status"]?["injectedPods"],
            count => count == injected,
            "all injected pods in the status",
            TimeSpan.FromSeconds(20));

        Task<V1Pod> CreateAsync() => ground.Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod
            {
                Metadata = new V1ObjectMeta { GenerateName = "shop-", Labels = new Dictionary<string, string> { ["app"] = "shop" } },
                Spec = new V1PodSpec { ServiceAccountName = "default", Containers = [new V1Container { Name = "app", Image = "app:1" }] },
            },
            ns.Name);
    }
}
