using System.Globalization;
using System.Net.Mime;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Features;
using Premortem.Contracts;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>What sidecars put: see docs/reference/reports-api.md. Every replica serves it.</summary>
/// <param name="take">Takes a report of a pod.</param>
/// <param name="takeStatus">Takes what a sidecar says of itself.</param>
/// <param name="readGcTraces">Reads what a container's log has of collections: its name, since when, until when.</param>
internal sealed class ReportEndpoints(
    TokenReviews tokens,
    Func<PodIdentity, CaptureReport, CancellationToken, Task<ReportAnswer>> take,
    Func<PodIdentity, SidecarStatus, CancellationToken, Task<ReportAnswer>> takeStatus,
    Func<PodIdentity, string, string?, string?, CancellationToken, Task<ReportAnswer>> readGcTraces,
    RecordMetrics metrics,
    TimeProvider time,
    ILogger log)
{
    private const int MaxPods = 20_000;

    private static readonly TimeSpan BodyWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan TakenWithin = TimeSpan.FromSeconds(30);

    private readonly PodRates _rates = new(perSecond: 10, burst: 50, MaxPods, time);

    // A status is written onto the pod: a sidecar that flaps is not to make the API server busy.
    private readonly PodRates _statusRates = new(perSecond: 0.2, burst: 10, MaxPods, time);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPut(ReportPaths.Captures + "{id}", (HttpContext http, string id) => AnswerAsync(http, async (pod, body, ct) =>
        {
            var reading = ReportReader.ReadCapture(body.Span, id);
            return reading.Refusal ?? await take(pod, reading.Report!, ct);
        }));
        routes.MapPut(ReportPaths.Status, (HttpContext http) => AnswerAsync(http, async (pod, body, ct) =>
        {
            var reading = ReportReader.ReadStatus(body.Span);
            if (reading.Refusal is { } refusal)
                return refusal;
            return _statusRates.Take(pod.Uid) is { } wait ? ReportAnswer.TooMany(wait) : await takeStatus(pod, reading.Report!, ct);
        }));
        routes.MapGet(ReportPaths.GcTraces + "{container}", (HttpContext http, string container, string? since, string? until) =>
            AnswerAsync(http, (pod, _, ct) => readGcTraces(pod, container, since, until, ct)));
    }

    private async Task AnswerAsync(HttpContext http, Func<PodIdentity, ReadOnlyMemory<byte>, CancellationToken, Task<ReportAnswer>> act)
    {
        using var deadline = new CancellationTokenSource(TakenWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, deadline.Token);
        ReportAnswer answer;
        try
        {
            answer = await DecideAsync(http, act, either.Token);
        }
        catch (ApiException e)
        {
            Log.ReportNotWritten(log, e.Message);
            answer = ReportAnswer.Unavailable("the API server did not take it", e.RetryAfter);
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            answer = ReportAnswer.Unavailable("the API server did not take it in time");
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Nobody is there to hear an answer.
            metrics.Reported("aborted");
            return;
        }
        catch (Exception e)
        {
            Log.ReportFailed(log, e);
            answer = new ReportAnswer(500, "error", "the operator could not take it, and its log says why");
        }
        metrics.Reported(answer.Result);
        await WriteAsync(http, answer);
    }

    private async Task<ReportAnswer> DecideAsync(HttpContext http, Func<PodIdentity, ReadOnlyMemory<byte>, CancellationToken, Task<ReportAnswer>> act, CancellationToken ct)
    {
        if (Bearer(http.Request) is not { } token)
            return ReportAnswer.Unauthenticated("the header Authorization has to be 'Bearer' and the content of the projected token file");
        switch (await tokens.ReviewAsync(token, ct))
        {
            case TokenVerdict.Good(var pod):
                if (_rates.Take(pod.Uid) is { } wait)
                    return ReportAnswer.TooMany(wait);
                var (body, refusal) = await ReadAsync(http, ct);
                var answer = refusal ?? await act(pod, body, ct);
                if (answer.Status is >= 400 and < 500)
                    Log.ReportRefused(log, pod.Key, answer.Status, answer.Field, answer.Detail);
                return answer;
            case TokenVerdict.Forbidden(var detail):
                return ReportAnswer.Forbidden(detail);
            case TokenVerdict.Unavailable(var detail):
                return ReportAnswer.Unavailable(detail);
            case TokenVerdict.Unauthenticated(var detail):
                return ReportAnswer.Unauthenticated(detail);
            case var verdict:
                throw new InvalidOperationException($"{verdict}");
        }
    }

    private static string? Bearer(HttpRequest request)
    {
        const string scheme = "Bearer ";
        return request.Headers.Authorization is [{ } header] && header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)
            ? header[scheme.Length..].Trim()
            : null;
    }

    /// <summary>The body, which is read only once it is known whose it is.</summary>
    private async Task<(ReadOnlyMemory<byte> Body, ReportAnswer? Refusal)> ReadAsync(HttpContext http, CancellationToken ct)
    {
        var tooLarge = ReportAnswer.TooLarge($"a report may have {ReportPaths.MaxBytes} bytes");
        if (http.Request.ContentLength > ReportPaths.MaxBytes)
            return (default, tooLarge);
        // Counted here, so that the answer is the same wherever the server's own limit stands.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null;
        using var patience = new CancellationTokenSource(BodyWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        using var body = new MemoryStream((int)(http.Request.ContentLength ?? 4096));
        var buffer = new byte[16 * 1024];
        try
        {
            for (int read; (read = await http.Request.Body.ReadAsync(buffer, either.Token)) > 0;)
            {
                if (body.Length + read > ReportPaths.MaxBytes)
                    return (default, tooLarge);
                body.Write(buffer, 0, read);
            }
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            return (default, ReportAnswer.TooSlow("the body did not come in time"));
        }
        return (body.ToArray(), null);
    }

    private static async Task WriteAsync(HttpContext http, ReportAnswer answer)
    {
        http.Response.StatusCode = answer.Status;
        if (answer.RetryAfter is { } wait)
            http.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        if (answer.Status == StatusCodes.Status401Unauthorized)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        // Whoever still sends a body that nobody wants is not listened to.
        if (answer.Status is StatusCodes.Status413PayloadTooLarge or StatusCodes.Status408RequestTimeout && HttpProtocol.IsHttp11(http.Request.Protocol))
            http.Response.Headers.Connection = "close";
        if (answer.Content is { } content)
        {
            http.Response.ContentType = MediaTypeNames.Text.Plain;
            await http.Response.Body.WriteAsync(content, CancellationToken.None);
            return;
        }
        var body = answer.Status < 400
            ? new JsonObject { ["result"] = answer.Result }
            : new JsonObject
            {
                ["type"] = "about:blank",
                ["title"] = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(answer.Status),
                ["status"] = answer.Status,
                ["detail"] = answer.Detail,
                ["field"] = answer.Field,
            };
        if (answer.Field is null)
            body.Remove("field");
        http.Response.ContentType = answer.Status < 400 ? MediaTypeNames.Application.Json : MediaTypeNames.Application.ProblemJson;
        await http.Response.WriteAsync(body.ToJsonString(), CancellationToken.None);
    }
}
