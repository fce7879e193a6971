using System.Text.Json.Nodes;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Runtime;

public sealed class InformerTests
{
    // A namespace has config maps of the server's own, too.
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Objects_are_seen_as_they_are_made_changed_and_deleted()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var api = new ResourceApi<ConfigMap>(server.Client, ConfigMap.Type);
        await api.CreateAsync(ConfigMap.Named("before"), ns.Name, Ct);
        await using var running = new RunningInformer<ConfigMap>(server.Client, ConfigMap.Type, Options(ns.Name));
        await running.Informer.WhenSyncedAsync(Ct);
        await api.CreateAsync(ConfigMap.Named("after"), ns.Name, Ct);
        await api.CreateAsync(new ConfigMap { Metadata = new ObjectMeta { Name = "unlabelled" } }, ns.Name, Ct);
        await api.PatchAsync(new ResourceKey(ns.Name, "before"), new ResourcePatch.Merge(new { data = new { value = "new" } }), Ct);
        Assert.True(await api.DeleteAsync(new ResourceKey(ns.Name, "after"), new DeleteRequest(), Ct));
        await running.ChangesAre("+before +after ~before -after");
        Assert.Equal("new", running.Informer.Get(new ResourceKey(ns.Name, "before"))!.Data!["value"]);
        Assert.Equal((1, 1, 0), (running.Informer.Figures.Objects, running.Informer.Figures.Relists, running.Informer.Figures.WatchErrors));
    }

    [Fact]
    public async Task More_objects_than_a_page_are_all_there()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var api = new ResourceApi<ConfigMap>(server.Client, ConfigMap.Type);
        await Parallel.ForAsync(0, 620, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Ct }, async (i, ct) => await api.CreateAsync(ConfigMap.Named($"map{i}"), ns.Name, ct));
        var page = await api.ListAsync(new ListRequest { Namespace = ns.Name, LabelSelector = "test=yes", Limit = 500 }, Ct);
        Assert.Equal(500, page.Items.Count);
        Assert.NotNull(page.Continue);
        await using var running = new RunningInformer<ConfigMap>(server.Client, ConfigMap.Type, Options(ns.Name));
        await running.Informer.WhenSyncedAsync(Ct);
        Assert.Equal(620, running.Informer.List().Select(ResourceOf).Distinct().Count());

        static string ResourceOf(ConfigMap map) => map.Metadata.Name;
    }

    [Fact]
    public async Task What_was_deleted_behind_a_compaction_is_seen_by_a_list()
    {
        await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { ExtraArguments = ["--watch-cache=false"] });
        await using var gate = TcpGate.To(server);
        await using var running = await WithTwoAsync(server, gate);
        gate.Shut();
        await ChangeBehindAsync(server);
        await server.CompactAsync();
        gate.Open();
        await running.ChangesAre("+gone +stays +new -gone", Long);
        Assert.Equal(2, running.Informer.Figures.Relists);
    }

    [Fact]
    public async Task What_was_deleted_around_a_restart_of_the_server_is_not_lost()
    {
        await using var server = await KubeApiServer.StartAsync();
        await using var gate = TcpGate.To(server);
        await using var running = await WithTwoAsync(server, gate);
        gate.Shut();
        await ChangeBehindAsync(server);
        await server.RestartAsync();
        gate.Open();
        await Eventually.Holds(() => running.Changes.ToArray(), changes => changes.Contains("-gone") && changes.Contains("+new"), "both changes", Long);
        Assert.Equal(["new", "stays"], running.Informer.List().Select(map => map.Metadata.Name).Order());

        // And once more, with the server gone under an open watch.
        var api = new ResourceApi<ConfigMap>(server.Client, ConfigMap.Type);
        await server.RestartAsync();
        await api.DeleteAsync(new ResourceKey("default", "stays"), new DeleteRequest(), Ct);
        await Eventually.Holds(() => running.Changes.Last(), last => last == "-stays", "a change after the restart", Long);
    }

    [Fact]
    public async Task A_type_whose_definition_comes_later_is_watched_from_then_on()
    {
        var server = await KubeApiServer.SharedAsync();
        var group = $"g{Guid.NewGuid():N}.dev";
        var type = new ResourceType(group, "v1", "widgets", "Widget");
        await using var running = new RunningInformer<ConfigMap>(server.Client, type, new InformerOptions<ConfigMap>());
        await Eventually.IsTrue(() => running.Informer.Figures.WatchErrors >= 2, "it is asked for");
        Assert.False(running.Informer.HasSynced);
        var missing = await Assert.ThrowsAsync<ApiException>(() => new ResourceApi<ConfigMap>(server.Client, type).GetAsync(new ResourceKey("default", "a"), Ct));
        Assert.True(missing.IsNotFound);
        await server.ApplyAsync($$"""
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: widgets.{{group}} }
            spec:
              group: {{group}}
              scope: Namespaced
              names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
              versions: [{name: v1, served: true, storage: true, subresources: {status: {} }, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true} } }]
            """);
        await running.Informer.WhenSyncedAsync(Ct).WaitAsync(Long, Ct);
        var widgets = new ResourceApi<ConfigMap>(server.Client, type);
        await widgets.CreateAsync(ConfigMap.Named("first"), "default", Ct);
        await running.ChangesAre("+first", Long);

        // The ways of writing, on a type with a status.
        var key = new ResourceKey("default", "first");
        var version = (await widgets.GetAsync(key, Ct))!.Metadata.ResourceVersion;
        await widgets.PatchStatusAsync(key, StatusPatch.Between(null, new { count = 1 })!, Ct);
        var conflict = await Assert.ThrowsAsync<ApiException>(() => widgets.PatchStatusAsync(key, StatusPatch.Between(null, new { count = 2 }, version)!, Ct));
        Assert.True(conflict.IsConflict);
        await widgets.PatchAsync(key, new ResourcePatch.Apply(new { metadata = new { name = "first", @namespace = "default" }, data = new { applied = "yes" } }, "tests"), Ct);
        await widgets.PatchAsync(key, new ResourcePatch.Json(new JsonArray(new JsonObject { ["op"] = "add", ["path"] = "/data/patched", ["value"] = "yes" })), Ct);
        var widget = (await widgets.GetAsync(key, Ct))!;
        Assert.Equal(("yes", "yes"), (widget.Data!["applied"], widget.Data["patched"]));
        var exists = await Assert.ThrowsAsync<ApiException>(() => widgets.CreateAsync(ConfigMap.Named("first"), "default", Ct));
        Assert.True(exists.IsAlreadyExists);
        Assert.False(await widgets.DeleteAsync(key, new DeleteRequest(Uid: "another"), Ct));
        Assert.True(await widgets.DeleteAsync(key, new DeleteRequest(Uid: widget.Metadata.Uid), Ct));
        Assert.Null(await widgets.GetAsync(key, Ct));
        await server.KubectlAsync("delete", "crd", $"widgets.{group}", "--wait=false");
    }

    private static InformerOptions<ConfigMap> Options(string ns) => new() { Namespace = ns, LabelSelector = "test=yes" };

    private static async Task<RunningInformer<ConfigMap>> WithTwoAsync(KubeApiServer server, TcpGate gate)
    {
        var api = new ResourceApi<ConfigMap>(server.Client, ConfigMap.Type);
        await api.CreateAsync(ConfigMap.Named("gone"), "default", Ct);
        await api.CreateAsync(ConfigMap.Named("stays"), "default", Ct);
        var running = new RunningInformer<ConfigMap>(gate.Client, ConfigMap.Type, Options("default"));
        await running.Informer.WhenSyncedAsync(Ct);
        return running;
    }

    private static async Task ChangeBehindAsync(KubeApiServer server)
    {
        var api = new ResourceApi<ConfigMap>(server.Client, ConfigMap.Type);
        Assert.True(await api.DeleteAsync(new ResourceKey("default", "gone"), new DeleteRequest(), Ct));
        await api.CreateAsync(ConfigMap.Named("new"), "default", Ct);
    }
}
