using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Operator.Hosting;
using Prometheus;
using Xunit;

namespace Premortem.Operator.Tests.Hosting;

public sealed class ListenerTests
{
    [Fact]
    public async Task Readiness_says_what_is_missing_and_why_it_ends()
    {
        var readiness = new Readiness();
        var missing = "not read yet: pods";
        readiness.Add("certificate", () => null);
        readiness.Add("caches", () => missing);
        await using var listener = await StartAsync(readiness);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{listener.Port}") };

        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync(http, "/healthz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "[+] certificate\n[-] caches: not read yet: pods\n"), await GetAsync(http, "/readyz"));
        missing = null;
        Assert.Equal((HttpStatusCode.OK, "[+] certificate\n[+] caches\n"), await GetAsync(http, "/readyz"));
        readiness.End("told to stop");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "[+] certificate\n[+] caches\n[-] ending: told to stop\n"), await GetAsync(http, "/readyz"));
    }

    [Fact]
    public async Task Metrics_are_those_of_the_registry()
    {
        var metrics = new OperatorMetrics(Metrics.NewCustomRegistry());
        metrics.Injections.WithLabels("injected", "Injected").Inc(3);
        await using var listener = await StartAsync(new Readiness(), metrics.Registry);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{listener.Port}") };
        var (_, text) = await GetAsync(http, "/metrics");
        Assert.Contains("premortem_injections_total{result=\"injected\",reason=\"Injected\"} 3", text, StringComparison.Ordinal);
        Assert.Contains("premortem_build_info{version=", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_in_flight_is_answered_when_it_ends()
    {
        var isHere = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        var listener = await Listener.StartAsync("127.0.0.1", 0, null, NullLoggerFactory.Instance, app => app.MapGet("/slow", async () =>
        {
            isHere.SetResult();
            await goOn.Task;
            return "done";
        }), TestContext.Current.CancellationToken);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{listener.Port}") };
        var answer = GetAsync(http, "/slow");
        await isHere.Task;
        var ending = listener.DisposeAsync().AsTask();
        goOn.SetResult();
        Assert.Equal((HttpStatusCode.OK, "done"), await answer);
        await ending;
        await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(http, "/slow"));
    }

    private static Task<Listener> StartAsync(Readiness readiness, CollectorRegistry? registry = null) =>
        Listener.StartAsync("127.0.0.1", 0, null, NullLoggerFactory.Instance, app => HealthEndpoints.Map(app, readiness, registry ?? Metrics.NewCustomRegistry()), TestContext.Current.CancellationToken);

    private static async Task<(HttpStatusCode, string)> GetAsync(HttpClient http, string path)
    {
        using var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
