using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Premortem.Runtime.Admission;

public static class AdmissionEndpoints
{
    /// <summary>
    /// Serves an admission webhook that fails open: whatever happens in deciding, also that it does not end in time, the request is allowed as it is, with a
    /// warning. Only what is no AdmissionReview, and so cannot be answered, is refused: 400, or 413 where it is too long.
    /// </summary>
    public static IEndpointConventionBuilder MapAdmission(
        this IEndpointRouteBuilder routes,
        string path,
        Func<AdmissionRequest, CancellationToken, ValueTask<AdmissionAnswer>> decide,
        AdmissionOptions options) =>
        routes.MapPost(path, context => AnswerAsync(context, decide, options));

    private static async Task AnswerAsync(HttpContext context, Func<AdmissionRequest, CancellationToken, ValueTask<AdmissionAnswer>> decide, AdmissionOptions options)
    {
        var started = options.Time.GetTimestamp();
        using var deadline = new CancellationTokenSource(options.Timeout, options.Time);
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.RequestAborted);
        if (await ReadAsync(context, options, bounded.Token) is not { } request)
            return;
        var body = new ArrayBufferWriter<byte>(1024);
        AdmissionAnswer answer;
        try
        {
            // On a thread of its own: what never comes back must not hold up the answer.
            var deciding = Task.Run(async () => await decide(request, bounded.Token), CancellationToken.None);
            answer = await deciding.WaitAsync(bounded.Token);
            AdmissionReviews.Write(body, request, answer);
        }
        catch (Exception e)
        {
            if (context.RequestAborted.IsCancellationRequested)
                return;
            var isLate = e is OperationCanceledException && deadline.IsCancellationRequested;
            Tell(options, request, isLate ? new TimeoutException($"no decision within {options.Timeout.TotalSeconds:0.#} s", e) : e);
            answer = new AdmissionAnswer
            {
                Warnings = [$"{options.Name}: let through unchanged, since {(isLate ? $"it was not decided within {options.Timeout.TotalSeconds:0.#} s" : "of an error, see its log")}"],
            };
            body.ResetWrittenCount();
            AdmissionReviews.Write(body, request, answer);
        }
        try
        {
            options.OnAnswered?.Invoke(request, answer, options.Time.GetElapsedTime(started));
        }
        catch (Exception e)
        {
            // Failing to count must not be what blocks a pod.
            Tell(options, request, e);
        }
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.WrittenCount;
        await context.Response.BodyWriter.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }

    /// <returns>Null: it has been refused.</returns>
    private static async Task<AdmissionRequest?> ReadAsync(HttpContext context, AdmissionOptions options, CancellationToken ct)
    {
        var reader = context.Request.BodyReader;
        try
        {
            if (context.Request.ContentLength > options.MaxBodyBytes)
                return await RefuseAsync(context, options, StatusCodes.Status413PayloadTooLarge, $"longer than {options.MaxBodyBytes} bytes");
            ReadResult read;
            while (!(read = await reader.ReadAsync(ct)).IsCompleted && read.Buffer.Length <= options.MaxBodyBytes)
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            try
            {
                if (read.Buffer.Length <= options.MaxBodyBytes)
                    return AdmissionReviews.Read(read.Buffer);
            }
            finally
            {
                reader.AdvanceTo(read.Buffer.End);
            }
            return await RefuseAsync(context, options, StatusCodes.Status413PayloadTooLarge, $"longer than {options.MaxBodyBytes} bytes");
        }
        catch (MalformedReviewException e)
        {
            return await RefuseAsync(context, options, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            return await RefuseAsync(context, options, StatusCodes.Status408RequestTimeout, $"the body did not come within {options.Timeout.TotalSeconds:0.#} s");
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client has gone.
            return null;
        }
    }

    private static async Task<AdmissionRequest?> RefuseAsync(HttpContext context, AdmissionOptions options, int status, string problem)
    {
        Tell(options, null, new MalformedReviewException(problem));
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        await context.Response.WriteAsync($"{problem}\n", context.RequestAborted);
        return null;
    }

    private static void Tell(AdmissionOptions options, AdmissionRequest? request, Exception e)
    {
        try
        {
            options.OnError?.Invoke(request, e);
        }
        catch (Exception)
        {
            // Failing to say so must not be what blocks a pod.
        }
    }
}
