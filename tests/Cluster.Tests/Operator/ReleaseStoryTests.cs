using k8s;
using k8s.Models;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>What the README promises, word for word: helm install, kubectl apply, and what the server stores.</summary>
public sealed class ReleaseStoryTests
{
    private const string Shop = "shop";

    [Fact]
    public async Task From_helm_install_to_helm_uninstall_pods_carry_the_sidecar_while_a_policy_wants_it_and_never_wait_for_it()
    {
        await using var ground = await ReleaseStoryGround.InstallAsync();
        var op = await ground.StartOperatorAsync();

        (await ground.Server.KubectlAsync("apply", "-f", Repository.Path("samples", "policy.yaml"))).AssertOk();
        (await ground.Server.KubectlAsync("apply", "-f", Repository.Path("samples", "app.yaml"))).AssertOk();
        var pod = await ground.NewInjectedPodOfAsync(Shop, "checkout");
        Assert.Equal("shop/checkout", pod.Metadata.Annotations[Names.PoliciesAnnotation]);
        Assert.Contains("85%", OperatorGround.Settings(pod), StringComparison.Ordinal);
        Assert.Contains(FormattableString.Invariant($"https://premortem.{OperatorGround.Home}.svc:{ground.Service.Port}"), OperatorGround.Settings(pod), StringComparison.Ordinal);
        // The target itself is as it was.
        Assert.Equal("go-leak:1", Assert.Single(pod.Spec.Containers, container => container.Name == "app").Image);

        (await ground.Server.KubectlAsync("patch", "profilepolicy", "checkout", "-n", Shop, "--type", "json", "--patch", """[{"op": "replace", "path": "/spec/triggers/1/memoryUsage/threshold", "value": "70%"}]""")).AssertOk();
        var changed = await ground.PodAsync(Shop, pod.Name(), settings => settings.ToJsonString().Contains("70%", StringComparison.Ordinal), "the changed policy in the pod's annotation");
        Assert.Equal(pod.Uid(), changed.Uid());

        // What is wrong is refused at the door, with the field.
        var refused = await ground.Server.KubectlAsync("patch", "profilepolicy", "checkout", "-n", Shop, "--type", "json", "--patch", """[{"op": "replace", "path": "/spec/triggers/1/memoryUsage/threshold", "value": "170%"}]""");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("threshold", refused.Error, StringComparison.Ordinal);

        (await ground.Server.KubectlAsync("delete", "profilepolicy", "checkout", "-n", Shop)).AssertOk();
        await ground.PodAsync(Shop, pod.Name(), settings => settings["policies"] is null or System.Text.Json.Nodes.JsonArray { Count: 0 }, "settings without a policy");
        Assert.False(OperatorGround.IsInjected(await ground.NewPodOfAsync(Shop, "checkout")));
        Assert.Equal(0, await op.FigureAsync("premortem_injection_errors_total"));
        // A right that the chart forgot would stand here.
        Assert.DoesNotContain("Forbidden", op.Output, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, await op.StopAsync());

        (await ground.Server.HelmAsync("uninstall", "premortem", "--namespace", OperatorGround.Home, "--wait=false")).AssertOk();
        await ground.NewPodOfAsync(Shop, "checkout");
        Assert.DoesNotContain((await ground.Client.AdmissionregistrationV1.ListMutatingWebhookConfigurationAsync()).Items, item => item.Name() == "premortem");
    }
}
