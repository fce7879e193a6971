using System.Globalization;

namespace Shop;

/// <summary>What the command line asks for, in the way of Go's flags: <c>-name value</c> or <c>-name=value</c>.</summary>
internal sealed class Flags
{
    public const string Usage = """
        dotnet-leak is a service that eats memory in a way its flags choose.
          -kind     managed | native | churn | hold | crash | none (managed)
          -rate     MB (10^6 bytes) a second (20)
          -size     MiB to stop at; churn: to start over at; hold: to keep at once; 0: never stop (0)
          -shape    orders | small | arrays | strings: what managed memory is made of (orders)
          -object   about how many bytes each order, array or string takes (500)
          -churn    MB a second of garbage beside it (0)
          -delay    how long to do nothing first: 500ms, 2s (0s)
          -spin     run the hot spot (true)
          -pause    between two rounds of the hot spot (5ms)
          -report   how often to print a line about memory (1s)
        """;

    public string Kind { get; private set; } = "managed";

    public double BytesPerSecond { get; private set; } = 20e6;

    public long SizeBytes { get; private set; }

    public string Shape { get; private set; } = "orders";

    public int ObjectBytes { get; private set; } = 500;

    public double ChurnBytesPerSecond { get; private set; }

    public TimeSpan Delay { get; private set; }

    public bool Spin { get; private set; } = true;

    public TimeSpan Pause { get; private set; } = TimeSpan.FromMilliseconds(5);

    public TimeSpan Report { get; private set; } = TimeSpan.FromSeconds(1);

    public static Flags Parse(string[] arguments)
    {
        var flags = new Flags();
        for (var i = 0; i < arguments.Length; i++)
        {
            var (name, value) = arguments[i].Split('=', 2) is [var before, var after]
                ? (before, after)
                : (arguments[i], i + 1 < arguments.Length ? arguments[++i] : "");
            switch (name.TrimStart('-'))
            {
                case "kind": flags.Kind = value; break;
                case "rate": flags.BytesPerSecond = Number(value) * 1e6; break;
                case "size": flags.SizeBytes = (long)(Number(value) * (1 << 20)); break;
                case "shape": flags.Shape = value; break;
                case "object": flags.ObjectBytes = (int)Number(value); break;
                case "churn": flags.ChurnBytesPerSecond = Number(value) * 1e6; break;
                case "delay": flags.Delay = Duration(value); break;
                case "spin": flags.Spin = bool.Parse(value); break;
                case "pause": flags.Pause = Duration(value); break;
                case "report": flags.Report = Duration(value); break;
                default: throw new FormatException($"there is no flag {name}");
            }
        }
        return flags;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static TimeSpan Duration(string text) =>
        text.EndsWith("ms", StringComparison.Ordinal) ? TimeSpan.FromMilliseconds(Number(text[..^2]))
        : text.EndsWith('m') ? TimeSpan.FromMinutes(Number(text[..^1]))
        : TimeSpan.FromSeconds(Number(text.TrimEnd('s')));
}
