using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Tests.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Records;

/// <summary>Reports to an operator that is there, slow, wrong or gone.</summary>
public sealed class ReporterTests : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<IDisposable> _reporters = [];
    private Task _run = Task.CompletedTask;
    private OperatorStub _operator = OperatorStub.Start();

    public ReporterTests() => File.WriteAllText(TokenFile, "token-1\n");

    private string TokenFile => _folder.File("token");

    public async ValueTask DisposeAsync()
    {
        await _draining.CancelAsync();
        await _stop.CancelAsync();
        await _run;
        foreach (var reporter in _reporters)
            reporter.Dispose();
        await _operator.DisposeAsync();
        _draining.Dispose();
        _stop.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_capture_is_told_with_the_pods_token_to_whom_the_authority_vouches_for()
    {
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        var request = await NextAsync(1);
        Assert.Equal(("/v1/captures/a", "token-1"), (request.Path, request.Token));
        Assert.Equal(("a", 1), (request.Json["record"]!["id"]!.GetValue<string>(), request.Json["sequence"]!.GetValue<int>()));
        // The kubelet renews it.
        await File.WriteAllTextAsync(TokenFile, "token-2");
        reporter.Tell(Report("b", 1));
        Assert.Equal("token-2", (await NextAsync(2)).Token);
        await Eventually.IsTrue(() => Waiting == 0, "nothing waits");
    }

    [Fact]
    public async Task Collections_are_asked_of_the_operator_and_what_it_says_instead_is_told()
    {
        var (since, until) = (new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 3, 1, 12, 5, 0, TimeSpan.Zero));
        var reporter = Run();
        Assert.Null((await reporter.AskCollectionsAsync("app", since, until, CancellationToken.None)).Lines);
        reporter.Follow(_operator.Settings);
        _operator.Answer = _ => (200, "", "gc 1 @0.1s"u8.ToArray());
        var (lines, problem) = await reporter.AskCollectionsAsync("app", since, until, CancellationToken.None);
        Assert.Equal(("gc 1 @0.1s", null), (System.Text.Encoding.UTF8.GetString(lines!), problem));
        var request = Assert.Single(_operator.Requests);
        Assert.Equal(("/v1/gctraces/app?since=2026-03-01T12:00:00.0000000Z&until=2026-03-01T12:05:00.0000000Z", "token-1"), (request.Path, request.Token));

        _operator.Answer = _ => (403, "", "{\"detail\": \"the operator may not read the logs of pods\"}"u8.ToArray());
        Assert.Equal((null, "403: the operator may not read the logs of pods"), await reporter.AskCollectionsAsync("app", since, until, CancellationToken.None));

        // At its end a sidecar has little time.
        var gate = new TaskCompletionSource();
        _operator.Gate = gate.Task;
        Assert.Equal((null, "the operator did not answer before the sidecar had to end"), await reporter.AskCollectionsAsync("app", since, until, new CancellationToken(canceled: true)));
        gate.SetResult();
    }

    [Fact]
    public async Task Of_one_capture_the_newest_is_told()
    {
        var reporter = Run();
        reporter.Tell(Report("a", 1));
        reporter.Tell(Report("a", 3));
        reporter.Tell(Report("a", 2));
        reporter.Follow(_operator.Settings);
        Assert.Equal(3, (await NextAsync(1)).Json["sequence"]!.GetValue<int>());
        reporter.Tell(Report("b", 1));
        Assert.EndsWith("/b", (await NextAsync(2)).Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_nobody_has_taken_is_told_by_the_next_life_of_the_sidecar()
    {
        var first = Run();
        first.Tell(Report("a", 2));
        await _draining.CancelAsync();
        await _run;
        Assert.Equal(1, Waiting);
        using var draining = new CancellationTokenSource();
        using var second = Reporter();
        second.Follow(_operator.Settings);
        var run = second.RunAsync(draining.Token, _stop.Token);
        Assert.Equal(2, (await NextAsync(1)).Json["sequence"]!.GetValue<int>());
        await draining.CancelAsync();
        await run;
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(404)]
    [InlineData(429)]
    public async Task What_is_not_taken_now_is_tried_again(int status)
    {
        var answers = 0;
        _operator.Answer = _ => Interlocked.Increment(ref answers) == 1 ? (status, "", "busy"u8.ToArray()) : (204, "", []);
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        await NextAsync(2);
        await Eventually.IsTrue(() => Waiting == 0, "nothing waits");
    }

    [Fact]
    public async Task It_is_left_alone_for_as_long_as_it_asks()
    {
        _operator.Answer = _ => (429, "Retry-After: 3600\r\n", []);
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        await NextAsync(1);
        // Another would be told at once otherwise.
        reporter.Tell(Report("b", 1));
        await _draining.CancelAsync();
        await _run;
        // Only the last words come after.
        Assert.Equal(2, _operator.Captures.Count);
        Assert.Equal(2, Waiting);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(413)]
    [InlineData(422)]
    public async Task What_is_refused_for_good_is_given_up_and_keeps_nothing_back(int status)
    {
        _operator.Answer = request => request.Path.EndsWith("/a", StringComparison.Ordinal) ? (status, "", new byte[4 << 20]) : (204, "", []);
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        reporter.Tell(Report("b", 1));
        await Eventually.IsTrue(() => Waiting == 0, "nothing waits");
        Assert.Equal(["/v1/captures/a", "/v1/captures/b"], _operator.Captures.Select(request => request.Path));
    }

    [Fact]
    public async Task What_fails_for_one_capture_keeps_no_other_back()
    {
        _operator.Answer = request => request.Path.EndsWith("/a", StringComparison.Ordinal) ? (500, "", []) : (204, "", []);
        var reporter = Run();
        reporter.Tell(Report("a", 1));
        reporter.Tell(Report("b", 1));
        reporter.Follow(_operator.Settings);
        await Eventually.IsTrue(() => Waiting == 1 && _operator.Captures.Any(request => request.Path.EndsWith("/b", StringComparison.Ordinal)), "b is taken");
    }

    [Fact]
    public async Task A_token_that_is_not_believed_is_kept_for_later()
    {
        _operator.Answer = _ => (401, "", "no"u8.ToArray());
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        await NextAsync(1);
        Assert.Equal(1, Waiting);
    }

    [Fact]
    public async Task Nobody_is_told_whom_the_authority_does_not_vouch_for_and_another_one_is_followed()
    {
        using var other = OperatorStub.NewAuthority();
        var reporter = Run();
        reporter.Follow(_operator.Settings with { CaBundle = other.ExportCertificatePem() });
        reporter.Tell(Report("a", 1));
        await Eventually.IsTrue(() => _operator.Handshakes > 0, "a try");
        Assert.Empty(_operator.Requests);
        // Both at once, as while one takes the other's place.
        reporter.Follow(_operator.Settings with { CaBundle = other.ExportCertificatePem() + "\n" + _operator.CaBundle });
        await NextAsync(1);
    }

    [Fact]
    public async Task Nobody_is_told_who_goes_by_another_name()
    {
        await using var impostor = OperatorStub.Start(host: "somebody.else.svc", authority: _operator.Authority);
        var reporter = Run();
        reporter.Follow(impostor.Settings);
        reporter.Tell(Report("a", 1));
        await Eventually.IsTrue(() => impostor.Handshakes > 0, "a try");
        Assert.Empty(impostor.Requests);
        Assert.Equal(1, Waiting);
    }

    [Theory]
    [InlineData("http://premortem.svc", "report.url")]
    [InlineData("nonsense", "report.url")]
    public void A_token_does_not_travel_in_the_clear(string url, string field) =>
        Assert.StartsWith(field, Assert.Throws<FormatException>(() => ReportClient.Open(_operator.Settings with { Url = url }, TokenFile, TimeProvider.System)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----")]
    public void A_bundle_without_a_certificate_is_told(string bundle) =>
        Assert.StartsWith("report.caBundle", Assert.Throws<FormatException>(() => ReportClient.Open(_operator.Settings with { CaBundle = bundle }, TokenFile, TimeProvider.System)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task An_operator_that_was_gone_is_found_again()
    {
        var settings = _operator.Settings;
        var (port, authority) = (_operator.Port, _operator.Authority);
        await _operator.DisposeAsync();
        var reporter = Run();
        reporter.Follow(settings);
        reporter.Tell(Report("a", 1));
        await Eventually.IsTrue(() => Waiting == 1, "it waits");
        _operator = OperatorStub.Start(port, authority: authority);
        await NextAsync(1);
    }

    [Fact]
    public async Task An_operator_that_does_not_answer_delays_the_end_by_moments_only()
    {
        _operator.Gate = new TaskCompletionSource().Task;
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Report("a", 1));
        await Eventually.IsTrue(() => _operator.Handshakes > 0, "a try");
        await _draining.CancelAsync();
        await _stop.CancelAsync();
        await _run.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(1, Waiting);
    }

    [Fact]
    public async Task What_it_says_of_itself_is_told_when_it_has_changed()
    {
        var reporter = Run();
        reporter.Follow(_operator.Settings);
        reporter.Tell(Status("1"));
        reporter.Tell(Status("2"));
        await Eventually.IsTrue(() => _operator.Statuses.Count == 1, "a status", TimeSpan.FromSeconds(15));
        Assert.Equal("2", _operator.Statuses[0].Json["revision"]!.GetValue<string>());
        reporter.Tell(Status("2"));
        reporter.Tell(Report("a", 1));
        await NextAsync(1);
        Assert.Single(_operator.Statuses);
    }

    [Fact]
    public async Task Where_nobody_wants_reports_none_is_kept()
    {
        var reporter = Run();
        reporter.Tell(Report("a", 1));
        Assert.Equal(1, Waiting);
        reporter.Follow(null);
        Assert.Equal(0, Waiting);
        reporter.Tell(Report("b", 1));
        Assert.Equal(0, Waiting);
        await Task.CompletedTask;
    }

    [Fact]
    public void What_waits_is_bounded_and_the_oldest_goes()
    {
        var queue = ReportQueue.Open(_folder.File("reports"));
        for (var i = 0; i < ReportQueue.MostReports + 2; i++)
            Assert.Equal(i < ReportQueue.MostReports ? 0 : 1, queue.Put(Report($"c{i}", 1)));
        Assert.Equal("c2", queue.Waiting[0].Id);
        Assert.Equal(ReportQueue.MostReports, Waiting);
        var big = Report("big", 1);
        Assert.Equal(1, queue.Put(big with { Record = big.Record with { OutcomeReason = new string('x', ReportPaths.MaxBytes) } }));
    }

    [Fact]
    public void What_is_no_report_is_cleared_away()
    {
        Directory.CreateDirectory(_folder.File("reports"));
        File.WriteAllText(_folder.File("reports/a.json"), "{");
        File.WriteAllText(_folder.File("reports/b.json"), "null");
        Assert.Equal(0, ReportQueue.Open(_folder.File("reports")).Count);
        Assert.Equal(0, Waiting);
    }

    [Fact]
    public void Each_report_of_a_capture_has_a_higher_number_in_whichever_life()
    {
        using var fixture = new SpoolFixture();
        var capture = fixture.Open().Create(SpoolFixture.Record("a"), new RequestReference("now", "u1"));
        Assert.Equal(1, capture.NextReport().Sequence);
        Assert.Equal(2, capture.NextReport().Sequence);
        var report = Assert.Single(fixture.Open().Captures).NextReport("s3://b/");
        Assert.Equal((3, "s3://b/", "u1"), (report.Sequence, report.Location, report.Request!.Uid));
    }

    private int Waiting => Directory.Exists(_folder.File("reports")) ? Directory.GetFiles(_folder.File("reports"), "*.json").Length : 0;

    private Reporter Run()
    {
        var reporter = Reporter();
        _run = Task.Run(() => reporter.RunAsync(_draining.Token, _stop.Token));
        return reporter;
    }

    private Reporter Reporter()
    {
        var reporter = new Reporter(ReportQueue.Open(_folder.File("reports")), TokenFile, TimeProvider.System, NullLogger<Reporter>.Instance);
        _reporters.Add(reporter);
        return reporter;
    }

    private async Task<OperatorStub.Request> NextAsync(int count) =>
        (await Eventually.Holds(() => _operator.Captures, requests => requests.Count >= count, $"{count} reports", TimeSpan.FromSeconds(15)))[count - 1];

    private static CaptureReport Report(string id, int sequence) => new(SpoolFixture.Record(id), null, null) { Sequence = sequence };

    private static SidecarStatus Status(string revision) => new() { Revision = revision, Version = "test" };
}
