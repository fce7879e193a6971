using System.Globalization;
using Serilog;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting.Compact;

namespace Premortem.Operator.Hosting;

/// <summary>Logs go to standard output: text for people at a terminal, compact JSON for collectors.</summary>
internal static class Logging
{
    public static SerilogLoggerFactory Create(LogFormat format, LogEventLevel level)
    {
        var isText = format == LogFormat.Text || (format == LogFormat.Auto && !Console.IsOutputRedirected);
        var configuration = new LoggerConfiguration()
            .MinimumLevel.Is(level)
            // A line for each request is of no use to anybody: reviews and reports are counted.
            .MinimumLevel.Override("Microsoft", level > LogEventLevel.Warning ? level : LogEventLevel.Warning)
            .MinimumLevel.Override("System.Net.Http", LogEventLevel.Warning);
        configuration = isText
            ? configuration.WriteTo.Console(
                outputTemplate: "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}",
                formatProvider: CultureInfo.InvariantCulture)
            : configuration.WriteTo.Console(new RenderedCompactJsonFormatter());
        return new SerilogLoggerFactory(configuration.CreateLogger(), dispose: true);
    }
}
