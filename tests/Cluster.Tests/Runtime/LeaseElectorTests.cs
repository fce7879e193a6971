using System.Diagnostics;
using k8s;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Runtime;

public sealed class LeaseElectorTests
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);

    [Fact]
    public async Task A_leader_that_is_cut_off_ends_before_the_other_begins()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await using var gate = TcpGate.To(server);
        await using var a = new Replica(gate.Client, ns.Name, "a");
        await Eventually.IsTrue(() => a.Elector.IsLeader, "a leads");
        await using var b = new Replica(server.Client, ns.Name, "b");
        await Eventually.IsTrue(() => b.Elector.Leader == "a", "b waits");
        // Longer than the lease: it is renewed.
        await Eventually.IsTrue(() => a.Since.Elapsed > Duration * 1.5, "a while", Duration * 3);
        Assert.True(a.Elector.IsLeader);
        Assert.False(b.Elector.IsLeader);
        gate.Shut();
        var cut = Stopwatch.StartNew();
        await Eventually.IsTrue(() => b.Elector.IsLeader, "b leads", Duration * 4);
        Assert.InRange(cut.Elapsed, Duration * 0.8, Duration * 2);
        await Assert.ThrowsAsync<LeadershipLostException>(() => a.Running);
        Assert.InRange(a.End, 1, b.Start);
        var lease = await server.Client.CoordinationV1.ReadNamespacedLeaseAsync("leader", ns.Name, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(("b", 1), (lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions));
    }

    [Fact]
    public async Task A_graceful_stop_hands_over_without_waiting_for_the_lease_to_run_out()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await using var a = new Replica(server.Client, ns.Name, "a");
        await Eventually.IsTrue(() => a.Elector.IsLeader, "a leads");
        await using var b = new Replica(server.Client, ns.Name, "b");
        await Eventually.IsTrue(() => b.Elector.Leader == "a", "b waits");
        await a.StopAsync();
        var stopped = Stopwatch.StartNew();
        await Eventually.IsTrue(() => b.Elector.IsLeader, "b leads");
        Assert.True(stopped.Elapsed < Duration / 2, $"{stopped.Elapsed}");
        Assert.InRange(a.End, 1, b.Start);
    }

    [Fact]
    public async Task Of_many_that_start_at_once_one_leads_and_so_it_goes_on_as_they_stop()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var replicas = Enumerable.Range(0, 5).Select(i => new Replica(server.Client, ns.Name, $"{i}")).ToList();
        var ended = 0L;
        while (replicas.Count > 0)
        {
            var leader = await Eventually.Holds(() => replicas.Where(replica => replica.Elector.IsLeader).ToList(), leaders => leaders.Count > 0, "a leader");
            var one = Assert.Single(leader);
            Assert.InRange(one.Start, ended, long.MaxValue);
            await one.DisposeAsync();
            ended = one.End;
            replicas.Remove(one);
        }
    }

    private sealed class Replica : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();

        public Replica(IKubernetes client, string ns, string identity)
        {
            Elector = new LeaseElector(
                client,
                new LeaseOptions(ns, "leader", identity) { Duration = Duration, RenewDeadline = TimeSpan.FromSeconds(2.5), RetryPeriod = TimeSpan.FromSeconds(0.3) },
                TimeProvider.System,
                NullLogger.Instance);
            Running = Elector.RunAsync(LeadAsync, _stop.Token);
        }

        public LeaseElector Elector { get; }

        public Task Running { get; }

        public Stopwatch Since { get; } = new();

        public long Start { get; private set; }

        public long End { get; private set; }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await Running;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Running.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        private async Task LeadAsync(CancellationToken ct)
        {
            Start = Stopwatch.GetTimestamp();
            Since.Start();
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
            }
            finally
            {
                End = Stopwatch.GetTimestamp();
            }
        }
    }
}
