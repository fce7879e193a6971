using Microsoft.Extensions.Time.Testing;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class LeaseElectorTests : IAsyncLifetime
{
    private readonly LeaseStub _lease = new();
    private readonly RecordingLog _log = new();
    private readonly List<Replica> _replicas = [];
    private StubApi _stub = null!;

    public async ValueTask InitializeAsync() => _stub = await StubApi.StartAsync(_lease.AnswerAsync);

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        await _stub.DisposeAsync();
    }

    [Fact]
    public async Task The_first_leads_and_writes_a_lease_as_the_api_wants_it()
    {
        var a = Start("a", new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero));
        await Eventually.IsTrue(() => a.Leads, "a leads");
        Assert.True(a.Elector.IsLeader);
        Assert.Equal("a", a.Elector.Leader);
        Assert.Equal(
            """{"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"2026-01-02T03:04:05.678000Z","renewTime":"2026-01-02T03:04:05.678000Z","leaseTransitions":0}""",
            _lease.Spec.ToJsonString());
    }

    [Fact]
    public async Task It_renews_and_another_waits_however_its_clock_is_set()
    {
        var a = Start("a", new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await Eventually.IsTrue(() => a.Leads, "a leads");
        // An hour ahead: by its own clock a's lease ran out long ago.
        var b = Start("b", new DateTimeOffset(2026, 1, 1, 1, 0, 0, TimeSpan.Zero));
        await Eventually.IsTrue(() => b.Elector.Leader == "a", "b has seen a");
        for (var i = 0; i < 20; i++)
        {
            var renewed = _lease.Spec["renewTime"]!.ToString();
            await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
            var asked = Reads;
            await Advance(b, () => Reads > asked);
            Assert.False(b.Leads);
        }
        Assert.Equal(0, _lease.Transitions);
    }

    [Fact]
    public async Task A_lease_that_is_not_renewed_is_taken_after_its_duration_and_not_before()
    {
        var a = Start("a");
        await Eventually.IsTrue(() => a.Leads, "a leads");
        var b = Start("b");
        await Eventually.IsTrue(() => b.Elector.Leader == "a", "b has seen a");
        // a's clock stands still: it is as if it had been killed. b's waits are at most 2.4 s.
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        var from = b.Time.GetTimestamp();
        while (b.Time.GetElapsedTime(from) < TimeSpan.FromSeconds(14.9))
        {
            b.Time.Advance(TimeSpan.FromSeconds(0.1));
            Assert.False(b.Leads);
        }
        await Advance(b, () => b.Leads);
        Assert.Equal(("b", 1), (_lease.Holder, _lease.Transitions));
        // a comes back to life, and learns it at its next renewal.
        await Advance(a, () => a.Running.IsFaulted);
        await Assert.ThrowsAsync<LeadershipLostException>(() => a.Running);
        Assert.False(a.Elector.IsLeader);
        Assert.Equal("b", _lease.Holder);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_lead_that_cannot_be_renewed_ends_at_the_deadline_before_the_lease_runs_out(bool hangs)
    {
        var a = Start("a");
        await Eventually.IsTrue(() => a.Leads, "a leads");
        var from = a.Time.GetTimestamp();
        _lease.Fault = (_, response, ct) => hangs ? response.Silence(ct) : response.Refuse(500, "InternalError");
        await Eventually.IsTrue(
            () =>
            {
                if (a.Running.IsFaulted)
                    return true;
                a.Time.Advance(TimeSpan.FromSeconds(0.1));
                return false;
            },
            "the lead ends");
        await Assert.ThrowsAsync<LeadershipLostException>(() => a.Running);
        Assert.InRange(a.Time.GetElapsedTime(from, a.EndedAt), TimeSpan.FromSeconds(9.5), TimeSpan.FromSeconds(10.5));
        Assert.Equal("a", _lease.Holder);
    }

    [Fact]
    public async Task A_moment_without_the_server_costs_no_lead()
    {
        var a = Start("a");
        await Eventually.IsTrue(() => a.Leads, "a leads");
        var renewed = _lease.Spec["renewTime"]!.ToString();
        var refused = 0;
        _lease.Fault = (_, response, _) =>
        {
            refused++;
            return response.Refuse(503, "ServiceUnavailable");
        };
        await Advance(a, () => refused == 2);
        _lease.Fault = null;
        await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
        Assert.True(a.Elector.IsLeader);
    }

    [Fact]
    public async Task An_answer_that_was_lost_costs_no_lead()
    {
        _lease.LosesAnswers = true;
        var a = Start("a");
        await Advance(a, () => _lease.Holder == "a");
        _lease.LosesAnswers = false;
        await Advance(a, () => a.Leads);
        _lease.LosesAnswers = true;
        var renewed = _lease.Spec["renewTime"]!.ToString();
        await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
        _lease.LosesAnswers = false;
        renewed = _lease.Spec["renewTime"]!.ToString();
        await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
        Assert.True(a.Elector.IsLeader);
        Assert.Equal(0, _lease.Transitions);
    }

    [Fact]
    public async Task A_write_by_somebody_else_into_the_lease_costs_no_lead_but_another_holder_does()
    {
        var a = Start("a");
        await Eventually.IsTrue(() => a.Leads, "a leads");
        _lease.Touch();
        var renewed = _lease.Spec["renewTime"]!.ToString();
        await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
        Assert.True(a.Elector.IsLeader);
        _lease.Touch(lease => lease["spec"]!["holderIdentity"] = "thief");
        await Advance(a, () => a.Running.IsFaulted);
        await Assert.ThrowsAsync<LeadershipLostException>(() => a.Running);
        Assert.Equal("thief", _lease.Holder);
    }

    [Fact]
    public async Task A_stop_waits_for_the_work_and_then_gives_the_lease_away()
    {
        var leave = new TaskCompletionSource();
        var a = Start("a", onEnd: leave.Task);
        await Eventually.IsTrue(() => a.Leads, "a leads");
        await a.Stop.CancelAsync();
        await Eventually.IsTrue(() => a.IsToldToEnd, "the work is told");
        var renewed = _lease.Spec["renewTime"]!.ToString();
        await Advance(a, () => _lease.Spec["renewTime"]!.ToString() != renewed);
        Assert.Equal("a", _lease.Holder);
        leave.SetResult();
        await a.Running.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal("", _lease.Holder);
        var b = Start("b");
        await Eventually.IsTrue(() => b.Leads, "b leads without waiting");
        Assert.Equal(1, _lease.Transitions);
    }

    [Fact]
    public async Task Work_that_fails_gives_the_lease_away_and_its_error_comes_out()
    {
        await using var replica = new Replica(_stub, "a", TimeSpan.Zero, _log, null);
        await Assert.ThrowsAsync<InvalidOperationException>(() => replica.Elector.RunAsync(_ => throw new InvalidOperationException("broken"), CancellationToken.None));
        Assert.Equal("", _lease.Holder);
    }

    [Fact]
    public async Task Times_that_do_not_fit_together_are_refused()
    {
        var elector = new LeaseElector(_stub.Client, new LeaseOptions("ns", "lease", "a") { RenewDeadline = TimeSpan.FromSeconds(15) }, TimeProvider.System, _log);
        await Assert.ThrowsAsync<ArgumentException>(() => elector.RunAsync(_ => Task.CompletedTask, CancellationToken.None));
    }

    private int Reads => _stub.Requests.Count(seen => seen.Method == "GET");

    private Replica Start(string identity, DateTimeOffset? clock = null, Task? onEnd = null)
    {
        var replica = new Replica(_stub, identity, (clock ?? new FakeTimeProvider().GetUtcNow()) - new FakeTimeProvider().GetUtcNow(), _log, onEnd);
        replica.Run();
        _replicas.Add(replica);
        return replica;
    }

    private static Task Advance(Replica replica, Func<bool> until) => Eventually.IsTrue(
        () =>
        {
            if (until())
                return true;
            replica.Time.Advance(TimeSpan.FromSeconds(0.5));
            return false;
        },
        "as the clock goes on");

    private sealed class Replica : IAsyncDisposable
    {
        private readonly Task? _onEnd;

        public Replica(StubApi stub, string identity, TimeSpan skew, RecordingLog log, Task? onEnd)
        {
            _onEnd = onEnd;
            Time = new FakeTimeProvider(new FakeTimeProvider().GetUtcNow() + skew);
            Elector = new LeaseElector(stub.Client, new LeaseOptions("ns", "lease", identity), Time, log);
        }

        public FakeTimeProvider Time { get; }

        public LeaseElector Elector { get; }

        public CancellationTokenSource Stop { get; } = new();

        public Task Running { get; private set; } = Task.CompletedTask;

        public bool Leads { get; private set; }

        public bool IsToldToEnd { get; private set; }

        public long EndedAt { get; private set; }

        public void Run() => Running = Elector.RunAsync(LeadAsync, Stop.Token);

        public async ValueTask DisposeAsync()
        {
            await Stop.CancelAsync();
            await Running.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).WaitAsync(TimeSpan.FromSeconds(10));
            Stop.Dispose();
        }

        private async Task LeadAsync(CancellationToken ct)
        {
            Leads = true;
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, Time, ct);
            }
            finally
            {
                IsToldToEnd = true;
                EndedAt = Time.GetTimestamp();
                if (_onEnd is not null)
                    await _onEnd;
                Leads = false;
            }
        }
    }
}
