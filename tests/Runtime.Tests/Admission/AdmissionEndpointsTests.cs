using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Premortem.Runtime.Admission;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests.Admission;

public sealed class AdmissionEndpointsTests : IAsyncDisposable
{
    private const string Review =
        """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","operation":"CREATE","object":{"a":1}}}""";

    private readonly FakeTimeProvider _time = new();
    private readonly ConcurrentQueue<(string? Uid, Exception Error)> _errors = new();
    private readonly HttpClient _client = new();
    private WebApplication? _app;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_app is not null)
            await _app.DisposeAsync();
    }

    [Fact]
    public async Task A_decision_comes_back_as_the_answer()
    {
        await StartAsync((request, _) => ValueTask.FromResult(new AdmissionAnswer { IsAllowed = false, Message = $"no {request.Object!["a"]}" }));
        var response = (await PostAsync(Review))["response"]!;
        Assert.Equal((false, "no 1"), ((bool)response["allowed"]!, (string)response["status"]!["message"]!));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_error_lets_it_through_with_a_warning_and_is_told(bool synchronous)
    {
        await StartAsync(async (_, _) =>
        {
            if (!synchronous)
                await Task.Yield();
            throw new InvalidOperationException("broken");
        });
        var response = (await PostAsync(Review))["response"]!;
        Assert.True((bool)response["allowed"]!);
        Assert.Equal("tests: let through unchanged, since of an error, see its log", response["warnings"]![0]!.ToString());
        Assert.Equal(("u1", "broken"), (_errors.Single().Uid, _errors.Single().Error.Message));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_not_decided_in_time_is_let_through_even_where_the_decision_never_ends(bool blocks)
    {
        var entered = new TaskCompletionSource();
        using var never = new ManualResetEventSlim();
        await StartAsync(async (_, ct) =>
        {
            entered.SetResult();
            if (blocks)
                never.Wait(CancellationToken.None);
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, ct);
            return new AdmissionAnswer();
        });
        var asking = PostAsync(Review);
        await entered.Task;
        _time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(asking.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        var response = (await asking)["response"]!;
        never.Set();
        Assert.True((bool)response["allowed"]!);
        Assert.Contains("2 s", response["warnings"]![0]!.ToString(), StringComparison.Ordinal);
        Assert.IsType<TimeoutException>(_errors.Single().Error);
    }

    [Fact]
    public async Task An_answer_that_cannot_be_written_lets_it_through()
    {
        await StartAsync((_, _) => ValueTask.FromResult<AdmissionAnswer>(null!));
        Assert.True((bool)(await PostAsync(Review))["response"]!["allowed"]!);
        Assert.Single(_errors);
    }

    [Fact]
    public async Task A_body_that_is_no_review_is_a_bad_request_that_says_what_is_wrong()
    {
        await StartAsync((_, _) => ValueTask.FromResult(new AdmissionAnswer()));
        using var response = await _client.PostAsync("", new StringContent("{\"kind\":\"Pod\"}"), Ct);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("'Pod'", await response.Content.ReadAsStringAsync(Ct), StringComparison.Ordinal);
        Assert.Null(_errors.Single().Uid);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_huge_body_is_refused_and_one_within_the_bound_is_not(bool chunked)
    {
        await StartAsync((request, _) => ValueTask.FromResult(new AdmissionAnswer { Warnings = [$"{request.Object!["a"]!.ToString().Length}"] }));
        Assert.Equal(HttpStatusCode.OK, await PostOfAsync(3_000_000));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await PostOfAsync(3 * 1024 * 1024 + 1));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await PostOfAsync(20_000_000));

        async Task<HttpStatusCode> PostOfAsync(int bytes)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "")
            {
                Content = new ByteArrayContent(Encoding.UTF8.GetBytes(Review.Replace("\"a\":1", $"\"a\":\"{new string('x', bytes - Review.Length - 1)}\"", StringComparison.Ordinal))),
            };
            request.Headers.TransferEncodingChunked = chunked;
            request.Headers.ExpectContinue = true;
            using var response = await _client.SendAsync(request, Ct);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task A_body_that_does_not_come_is_given_up()
    {
        await StartAsync((_, _) => ValueTask.FromResult(new AdmissionAnswer()));
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync(_client.BaseAddress!.Host, _client.BaseAddress.Port, Ct);
        await using var stream = socket.GetStream();
        await stream.WriteAsync("POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), Ct);
        using var reader = new StreamReader(stream);
        var answer = reader.ReadLineAsync(Ct).AsTask();
        await Eventually.IsTrue(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return answer.IsCompleted;
            },
            "an answer");
        Assert.Equal("HTTP/1.1 408 Request Timeout", await answer);
    }

    private async Task StartAsync(Func<AdmissionRequest, CancellationToken, ValueTask<AdmissionAnswer>> decide)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapAdmission("/mutate", decide, new AdmissionOptions
        {
            Name = "tests",
            Time = _time,
            OnAnswered = (_, _, _) => throw new NotSupportedException("nor does one that fails to count"),
            OnError = (request, e) =>
            {
                if (e is not NotSupportedException)
                    _errors.Enqueue((request?.Uid, e));
                throw new InvalidOperationException("a callback that fails blocks nothing");
            },
        });
        await _app.StartAsync();
        _client.BaseAddress = new Uri($"{_app.Urls.First()}/mutate");
    }

    private async Task<JsonNode> PostAsync(string body)
    {
        using var response = await _client.PostAsync("", new StringContent(body), Ct);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return (await response.Content.ReadFromJsonAsync<JsonNode>(Ct))!;
    }
}
