using System.Globalization;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting.Compact;

namespace Premortem.Sidecar.Hosting;

/// <summary>Logs go to standard output: text for people at a terminal, compact JSON for collectors.</summary>
internal static class Logging
{
    public static SerilogLoggerFactory Create(LogFormat format, LogEventLevel level)
    {
        var isText = format == LogFormat.Text || (format == LogFormat.Auto && !Console.IsOutputRedirected);
        var configuration = new LoggerConfiguration().MinimumLevel.ControlledBy(new LoggingLevelSwitch(level));
        configuration = isText
            ? configuration.WriteTo.Console(
                outputTemplate: "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}",
                formatProvider: CultureInfo.InvariantCulture)
            : configuration.WriteTo.Console(new RenderedCompactJsonFormatter());
        return new SerilogLoggerFactory(configuration.CreateLogger(), dispose: true);
    }
}
