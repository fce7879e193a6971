using Prometheus;

namespace Premortem.Operator.Hosting;

/// <summary><c>/healthz</c>: the process answers; <c>/readyz</c>: what is missing; <c>/metrics</c>.</summary>
internal static class HealthEndpoints
{
    public static void Map(WebApplication app, Readiness readiness, CollectorRegistry registry)
    {
        app.MapGet("/healthz", (RequestDelegate)(context => context.Response.WriteAsync("ok\n", context.RequestAborted)));
        app.MapGet("/readyz", (RequestDelegate)(context =>
        {
            var report = readiness.Read();
            context.Response.StatusCode = report.IsReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(string.Join('\n', report.Lines) + "\n", context.RequestAborted);
        }));
        app.MapGet("/metrics", (RequestDelegate)(async context =>
        {
            context.Response.ContentType = PrometheusConstants.TextContentTypeWithVersionAndEncoding;
            await registry.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
        }));
    }
}
