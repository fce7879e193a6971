using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Premortem.Profiles.GoGc;

/// <summary>
/// The collections of a log, among whatever else stands in it: other lines, prefixes of loggers and container runtimes, lines inside JSON.
/// Formats of Go 1.5 to 1.26.
/// </summary>
/// <param name="Cycles">In the order of the log.</param>
/// <param name="Damaged">Lines that begin as a collection's and go on otherwise: something wrote between their pieces.</param>
/// <param name="IsCut">There were more than are kept.</param>
public sealed partial record GcTraceLog(IReadOnlyList<GcCycle> Cycles, int Damaged, bool IsCut)
{
    /// <summary>More than these no log is read for: a collection every 10 ms for a day has ten times as many, and its last tell enough.</summary>
    public const int MostCycles = 1_000_000;

    private const int LongestLine = 64 << 10;

    /// <summary>Reads all there is; of a line that is longer than any of a collection, its beginning.</summary>
    public static GcTraceLog Read(Stream log)
    {
        var cycles = new List<GcCycle>();
        var (damaged, isCut) = (0, false);
        using var reader = new StreamReader(log, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 64 << 10, leaveOpen: true);
        var line = new StringBuilder();
        var buffer = new char[32 << 10];
        while (reader.Read(buffer, 0, buffer.Length) is var read and > 0)
        {
            var rest = buffer.AsSpan(0, read);
            while (rest.IndexOf('\n') is var end and >= 0)
            {
                Append(rest[..end]);
                Take();
                rest = rest[(end + 1)..];
            }
            Append(rest);
        }
        Take();
        return new GcTraceLog(cycles, damaged, isCut);

        void Append(ReadOnlySpan<char> part) => line.Append(part[..Math.Min(part.Length, LongestLine - line.Length)]);

        void Take()
        {
            var text = line.ToString();
            line.Clear();
            // Most lines of most logs.
            if (!text.Contains("gc ", StringComparison.Ordinal) || !Beginning().IsMatch(text))
                return;
            if (Parse(text) is not { } cycle)
                damaged++;
            else if (cycles.Count < MostCycles)
                cycles.Add(cycle);
            else
                isCut = true;
        }
    }

    /// <summary>The collection that a line tells of; null: none, or not wholly.</summary>
    public static GcCycle? Parse(string line)
    {
        // As Go's encoding/json writes it.
        if (line.Contains("\\u003e", StringComparison.OrdinalIgnoreCase))
            line = line.Replace("\\u003e", ">", StringComparison.OrdinalIgnoreCase);
        if (Cycle().Match(line) is not { Success: true } match)
            return null;
        try
        {
            var (wall, cpu, mark) = (Times(match.Groups["wall"]), Times(match.Groups["cpu"]), Times(match.Groups["mark"]));
            // Go 1.5 and 1.6: sweep termination, scan, write barrier, mark, mark termination; since 1.7 the second and third are no more.
            if (wall is not ([_, _, _] or [_, _, _, _, _]) || cpu.Length != wall.Length - 2)
                return null;
            var isOld = wall.Length == 5;
            return new GcCycle(
                Whole(match.Groups["number"]),
                TimeSpan.FromSeconds(Real(match.Groups["at"].ValueSpan)),
                (int)Whole(match.Groups["percent"]),
                isOld ? new GcTimes(wall[0], wall[1] + wall[3], wall[2], wall[4]) : new GcTimes(wall[0], wall[1], TimeSpan.Zero, wall[2]),
                new GcCpu(cpu[0], mark[0], mark[1] + (isOld ? cpu[1] : TimeSpan.Zero), mark[2], Times(match.Groups["end"])[0]),
                MiB(match.Groups["before"]),
                MiB(match.Groups["after"]),
                MiB(match.Groups["live"]),
                MiB(match.Groups["goal"]),
                match.Groups["stacks"].Success ? MiB(match.Groups["stacks"]) : null,
                match.Groups["globals"].Success ? MiB(match.Groups["globals"]) : null,
                (int)Math.Min(Whole(match.Groups["processors"]), int.MaxValue),
                match.Groups["forced"].Success);
        }
        catch (Exception e) when (e is OverflowException or FormatException)
        {
            return null;
        }
    }

    private static TimeSpan[] Times(Group group) => [.. group.Value.Split('+', '/').Select(text => TimeSpan.FromMilliseconds(Math.Min(Real(text), 1e11)))];

    private static double Real(ReadOnlySpan<char> text) => double.Parse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);

    private static long Whole(Group group) => long.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    private static long MiB(Group group) => checked(Whole(group) << 20) is var bytes && bytes >> 20 == Whole(group) ? bytes : throw new OverflowException();

    [GeneratedRegex(@"\bgc [0-9]+ @[0-9]")]
    private static partial Regex Beginning();

    // Of each number no more digits than one can have.
    [GeneratedRegex(
        @"\bgc (?<number>[0-9]{1,15}) @(?<at>[0-9]{1,10}(\.[0-9]{1,9})?)s (?<percent>[0-9]{1,3})%: (?<wall>[0-9.]{1,20}(\+[0-9.]{1,20}){2,4}) ms clock, "
        + @"(?<cpu>[0-9.]{1,20}(\+[0-9.]{1,20}){0,2})\+(?<mark>[0-9.]{1,20}/[0-9.]{1,20}/[0-9.]{1,20})\+(?<end>[0-9.]{1,20}) ms cpu, "
        + @"(?<before>[0-9]{1,13})->(?<after>[0-9]{1,13})->(?<live>[0-9]{1,13}) MB, (?<goal>[0-9]{1,13}) MB goal, "
        + @"((?<stacks>[0-9]{1,13}) MB stacks, (?<globals>[0-9]{1,13}) MB globals, )?(?<processors>[0-9]{1,9}) P(?<forced> \(forced\))?",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Cycle();
}
