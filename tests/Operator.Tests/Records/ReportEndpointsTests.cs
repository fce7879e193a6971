using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Runtime;
using Prometheus;
using Xunit;

namespace Premortem.Operator.Tests.Records;

/// <summary>A real server and real requests; only the API server is not there.</summary>
public sealed class ReportEndpointsTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(A.Now);
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly List<(PodIdentity Pod, CaptureReport Report)> _taken = [];
    private readonly List<(PodIdentity Pod, SidecarStatus Status)> _statuses = [];
    private Func<string, TokenReviewStatus?> _review = token => token == "good.good.good" ? TokenReviewsTests.GoodStatus() : null;
    private Func<ReportAnswer> _answer = () => ReportAnswer.Taken;
    private WebApplication _app = null!;
    private HttpClient _client = null!;
    private TokenReviews _reviews = null!;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        var metrics = new RecordMetrics(Metrics.WithCustomRegistry(_registry));
        _reviews = new TokenReviews((token, _) => Task.FromResult(_review(token)), metrics, _time);
        new ReportEndpoints(
            _reviews,
            (pod, report, _) =>
            {
                _taken.Add((pod, report));
                return Task.FromResult(_answer());
            },
            (pod, status, _) =>
            {
                _statuses.Add((pod, status));
                return Task.FromResult(_answer());
            },
            (pod, container, since, until, _) => Task.FromResult(ReportAnswer.Text(Encoding.UTF8.GetBytes($"{pod.Name} {container} {since} {until}\n"))),
            metrics,
            _time,
            NullLogger.Instance).Map(_app);
        await _app.StartAsync();
        var address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        _client = new HttpClient { BaseAddress = new Uri(address) };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
        _reviews.Dispose();
    }

    [Fact]
    public async Task A_report_is_taken_for_the_pod_of_its_token()
    {
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var (pod, report) = Assert.Single(_taken);
        Assert.Equal(new PodIdentity("shop", "checkout-7d9f-x2x", A.PodUid), pod);
        Assert.Equal("0196a1b2c3d4", report.Record.Id);
        Assert.Equal(1, await SampleAsync("premortem_capture_reports_total{result=\"taken\"}"));
        Assert.Equal(1, await SampleAsync("premortem_token_reviews_total{result=\"good\"}"));
    }

    [Fact]
    public async Task A_status_is_taken_for_the_pod_of_its_token()
    {
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("/v1/status", RecordJson.Object(A.SidecarStatus()))).StatusCode);
        Assert.Equal("r1", Assert.Single(_statuses).Status.Revision);
    }

    [Fact]
    public async Task Collections_are_given_to_the_pod_of_its_token_alone()
    {
        const string path = "/v1/gctraces/app?since=2026-03-01T12:00:00Z&until=2026-03-01T12:05:00Z";
        Assert.Equal(HttpStatusCode.Unauthorized, (await _client.GetAsync(path, TestContext.Current.CancellationToken)).StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer good.good.good");
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, "text/plain"), (response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        Assert.Equal(
            "checkout-7d9f-x2x app 2026-03-01T12:00:00Z 2026-03-01T12:05:00Z\n", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task What_is_refused_is_a_problem_with_its_field()
    {
        var report = RecordJson.Object(A.Report());
        report["record"]!["artifacts"]![1]!["bytes"] = -1;
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", report);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = (await response.Content.ReadFromJsonAsync<JsonObject>(TestContext.Current.CancellationToken))!;
        Assert.Equal("record.artifacts[1].bytes", problem["field"]!.GetValue<string>());
        Assert.Equal(422, problem["status"]!.GetValue<int>());
        Assert.Empty(_taken);
    }

    [Theory]
    [InlineData(null, 401)]
    [InlineData("Basic dXNlcjpwdw==", 401)]
    [InlineData("Bearer ", 401)]
    [InlineData("Bearer not-a-token", 401)]
    [InlineData("Bearer bad.bad.bad", 401)]
    public async Task Nobody_reports_without_a_token_that_holds(string? authorization, int status)
    {
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()), authorization);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.Empty(_taken);
    }

    [Fact]
    public async Task A_token_of_no_pod_is_forbidden()
    {
        _review = _ => TokenReviewsTests.GoodStatus() with { User = new TokenReviewUser { Username = "system:serviceaccount:shop:checkout" } };
        Assert.Equal(HttpStatusCode.Forbidden, (await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()))).StatusCode);
    }

    [Fact]
    public async Task While_the_API_server_is_away_the_sidecar_is_told_to_try_again()
    {
        _review = _ => throw new ApiException(null, null, "connection refused");
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 5), (response.StatusCode, (int)response.Headers.RetryAfter!.Delta!.Value.TotalSeconds));

        _review = _ => TokenReviewsTests.GoodStatus();
        _answer = () => throw new ApiException(HttpStatusCode.TooManyRequests, "TooManyRequests", "slow down", TimeSpan.FromSeconds(7));
        response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 7), (response.StatusCode, (int)response.Headers.RetryAfter!.Delta!.Value.TotalSeconds));
    }

    [Fact]
    public async Task A_fault_of_the_operator_is_no_fault_of_the_sidecar()
    {
        _answer = () => throw new InvalidOperationException("a bug");
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()));
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.DoesNotContain("a bug", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ten_megabytes_are_too_much_with_or_without_a_length(bool isChunked)
    {
        using var request = Request("/v1/captures/0196a1b2c3d4", new ByteArrayContent(new byte[10 * 1024 * 1024]), "Bearer good.good.good");
        request.Headers.TransferEncodingChunked = isChunked;
        // Kestrel may close while the rest is still on its way, once it has answered.
        try
        {
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await _client.SendAsync(request, TestContext.Current.CancellationToken)).StatusCode);
        }
        catch (HttpRequestException e) when (e.InnerException is IOException or SocketException)
        {
        }
        Assert.Equal(1, await SampleAsync("premortem_capture_reports_total{result=\"too_large\"}"));
        Assert.Empty(_taken);
    }

    [Fact]
    public async Task The_largest_report_is_taken_whole()
    {
        var report = RecordJson.Object(A.Report());
        report["record"]!["outcomeReason"] = "";
        var size = Encoding.UTF8.GetByteCount(report.ToJsonString());
        report["record"]!["outcomeReason"] = new string('x', ReportPaths.MaxBytes - size);
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("/v1/captures/0196a1b2c3d4", report)).StatusCode);
        report["record"]!["outcomeReason"] = new string('x', ReportPaths.MaxBytes - size + 1);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await PutAsync("/v1/captures/0196a1b2c3d4", report)).StatusCode);
    }

    [Fact]
    public async Task A_body_that_does_not_come_is_not_waited_for()
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, _client.BaseAddress!.Port, TestContext.Current.CancellationToken);
        await using var stream = socket.GetStream();
        await stream.WriteAsync("PUT /v1/captures/0196a1b2c3d4 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good.good.good\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), TestContext.Current.CancellationToken);
        await Testing.Eventually.Holds(() => SampleAsync("premortem_token_reviews_total{result=\"good\"}"), count => count == 1, "the review");
        var answer = new byte[12];
        var read = stream.ReadExactlyAsync(answer, TestContext.Current.CancellationToken).AsTask();
        await Testing.Eventually.Holds(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return read.IsCompleted;
            },
            isAnswered => isAnswered,
            "an answer");
        await read;
        Assert.Equal("HTTP/1.1 408", Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task A_pod_that_reports_too_often_is_told_when_to_come_again()
    {
        for (var i = 0; i < 50; i++)
            Assert.Equal(HttpStatusCode.OK, (await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()))).StatusCode);
        var response = await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()));
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter!.Delta);
        _time.Advance(response.Headers.RetryAfter.Delta!.Value);
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("/v1/captures/0196a1b2c3d4", RecordJson.Object(A.Report()))).StatusCode);
    }

    [Fact]
    public async Task A_status_that_flaps_is_written_less_often_than_it_is_said()
    {
        for (var i = 0; i < 11; i++)
            await PutAsync("/v1/status", RecordJson.Object(A.SidecarStatus()));
        Assert.Equal(10, _statuses.Count);
    }

    [Theory]
    [InlineData("GET", "/v1/captures/0196a1b2c3d4", 405)]
    [InlineData("POST", "/v1/status", 405)]
    [InlineData("PUT", "/v1/captures/", 404)]
    [InlineData("PUT", "/v1/captures/a/b", 404)]
    public async Task Nothing_else_is_served(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        Assert.Equal(status, (int)(await _client.SendAsync(request, TestContext.Current.CancellationToken)).StatusCode);
    }

    private async Task<HttpResponseMessage> PutAsync(string path, JsonObject body, string? authorization = "Bearer good.good.good")
    {
        using var request = Request(path, new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"), authorization);
        return await _client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static HttpRequestMessage Request(string path, HttpContent content, string? authorization)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = content };
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return request;
    }

    private async Task<double> SampleAsync(string series)
    {
        using var text = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(text);
        var line = Encoding.UTF8.GetString(text.ToArray()).Split('\n').FirstOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line.Split(' ')[^1]);
    }
}
