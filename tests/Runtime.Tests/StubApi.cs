using System.Collections.Concurrent;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Tests;

/// <summary>An API server that does what the test says, faults too.</summary>
internal sealed class StubApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _end = new();

    private StubApi(WebApplication app, Uri address)
    {
        _app = app;
        Client = new Kubernetes(new KubernetesClientConfiguration { Host = address.AbsoluteUri });
    }

    /// <summary>Not disposed with the server: what is under test may still be using it.</summary>
    public Kubernetes Client { get; }

    public ConcurrentQueue<SeenRequest> Requests { get; } = new();

    public static async Task<StubApi> StartAsync(Func<SeenRequest, HttpResponse, CancellationToken, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        StubApi? api = null;
        app.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var seen = new SeenRequest(
                context.Request.Method, context.Request.Path, context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()), context.Request.ContentType, await reader.ReadToEndAsync());
            api!.Requests.Enqueue(seen);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, api._end.Token);
            try
            {
                await answer(seen, context.Response, either.Token);
            }
            catch (OperationCanceledException) when (either.IsCancellationRequested)
            {
                context.Abort();
            }
        });
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return api = new StubApi(app, new Uri(address));
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _app.DisposeAsync();
        _end.Dispose();
    }
}

internal sealed record SeenRequest(string Method, string Path, Dictionary<string, string> Query, string? ContentType, string Body)
{
    public bool IsWatch => Query.ContainsKey("watch");
}

internal static class StubAnswers
{
    public static Task Json(this HttpResponse response, string json, int status = 200)
    {
        response.StatusCode = status;
        response.ContentType = "application/json";
        return response.WriteAsync(json);
    }

    public static Task Refuse(this HttpResponse response, int code, string reason, int? retryAfter = null)
    {
        if (retryAfter is not null)
            response.Headers.RetryAfter = $"{retryAfter}";
        return response.Json($$"""{"kind":"Status","apiVersion":"v1","status":"Failure","message":"said no","reason":"{{reason}}","code":{{code}}}""", code);
    }

    public static Task List(this HttpResponse response, string version, params string[] items) =>
        response.Json($$"""{"kind":"ThingList","metadata":{"resourceVersion":"{{version}}"},"items":[{{string.Join(',', items)}}]}""");

    public static async Task Event(this HttpResponse response, string type, string @object)
    {
        await response.WriteAsync($$"""{"type":"{{type}}","object":{{@object}}}""" + "\n");
        await response.Body.FlushAsync();
    }

    /// <summary>Sends the headers, and then nothing until the end.</summary>
    public static async Task Silence(this HttpResponse response, CancellationToken ct)
    {
        await response.Body.FlushAsync(ct);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
    }
}

internal sealed record Thing : IResource
{
    public static ResourceType Type { get; } = new("test.dev", "v1", "things", "Thing");

    public ObjectMeta Metadata { get; init; } = new();

    public Color? Color { get; init; }

    public DateTimeOffset? At { get; init; }

    public static string Json(string name, int version, string color = "Red", string? uid = null, string @namespace = "ns") =>
        $$$"""{"apiVersion":"test.dev/v1","kind":"Thing","color":"{{{color}}}","unknown":{"a":[1]},"metadata":{"name":"{{{name}}}","namespace":"{{{@namespace}}}","uid":"{{{uid ?? name}}}","resourceVersion":"{{{version}}}","managedFields":[{"x":{}}]}}""";
}

internal enum Color
{
    Red,
    Green,
}
