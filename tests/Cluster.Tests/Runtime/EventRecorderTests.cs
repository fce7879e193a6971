using k8s;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Runtime;

public sealed class EventRecorderTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_are_told_by_describe_with_their_count()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var pod = await server.Client.CoreV1.CreateNamespacedPodAsync(
            new k8s.Models.V1Pod
            {
                Metadata = new k8s.Models.V1ObjectMeta { Name = "app" },
                Spec = new k8s.Models.V1PodSpec { Containers = [new k8s.Models.V1Container { Name = "app", Image = "app" }] },
            },
            ns.Name,
            cancellationToken: Ct);
        var events = new EventRecorder(server.Client, "premortem-tests", TimeProvider.System, NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        var running = events.RunAsync(stop.Token);
        var about = new ObjectReference("v1", "Pod", ns.Name, "app", pod.Metadata.Uid);
        for (var i = 1; i <= 3; i++)
        {
            events.Record(about, EventKind.Warning, "Fired", "memory is at 93 % of its limit");
            await Eventually.IsTrue(() => events.Written == i, "written");
        }
        var stored = Assert.Single((await server.Client.CoreV1.ListNamespacedEventAsync(ns.Name, cancellationToken: Ct)).Items);
        Assert.Equal((3, "Warning", "premortem-tests"), (stored.Count, stored.Type, stored.ReportingComponent));
        Assert.Matches(@"Warning\s+Fired\s+\S+ \(x3 over .*\)\s+premortem-tests\s+memory is at 93 % of its limit", (await server.KubectlAsync("describe", "pod", "app", "-n", ns.Name)).AssertOk().Output);

        // Somebody cleans up: the next one is written anew.
        await server.Client.CoreV1.DeleteNamespacedEventAsync(stored.Metadata.Name, ns.Name, cancellationToken: Ct);
        events.Record(about, EventKind.Warning, "Fired", "memory is at 93 % of its limit");
        await Eventually.IsTrue(() => events.Written == 4, "written anew");
        await stop.CancelAsync();
        await running;
        Assert.Equal(0, events.Dropped);
    }

    [Fact]
    public async Task What_stands_in_no_namespace_has_its_events_in_default()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var events = new EventRecorder(server.Client, "premortem-tests", TimeProvider.System, NullLogger.Instance);
        events.Record(new ObjectReference("v1", "Namespace", null, ns.Name, "uid"), EventKind.Normal, "Seen", new string('x', 5000));
        await events.RunAsync(new CancellationToken(canceled: true));
        Assert.Equal((1, 0), (events.Written, events.Dropped));
        Assert.Single((await server.Client.CoreV1.ListNamespacedEventAsync("default", fieldSelector: $"involvedObject.name={ns.Name}", cancellationToken: Ct)).Items);
    }

    [Fact]
    public async Task An_event_of_a_namespace_that_is_not_there_is_dropped_and_counted()
    {
        var server = await KubeApiServer.SharedAsync();
        var events = new EventRecorder(server.Client, "premortem-tests", TimeProvider.System, NullLogger.Instance);
        events.Record(new ObjectReference("v1", "Pod", "no-such-namespace", "app", null), EventKind.Normal, "Seen", "it");
        await events.RunAsync(new CancellationToken(canceled: true));
        Assert.Equal((0, 1), (events.Written, events.Dropped));
    }
}
