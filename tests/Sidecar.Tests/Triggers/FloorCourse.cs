using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>What one program's memory does for some hours, made anew from a number: the same number, the same course.</summary>
/// <param name="Name">The class that it is one of.</param>
/// <param name="Leaks">Whether its floor climbs, and the trigger has to say so.</param>
internal sealed record FloorCourse(string Name, bool Leaks, double Hours, Func<FloorCourse.Chance, Func<double, FloorCourse.Point>> Make)
{
    internal const double MB = 1e6;
    private const double Minute = 60;
    private const double Hour = 3600;

    /// <summary>The window is half an hour in all of them, and the growth a tenth.</summary>
    internal static TimeSpan Window { get; } = TimeSpan.FromMinutes(30);

    internal static IReadOnlyList<FloorCourse> All { get; } =
    [
        new("slow leak", true, 3, chance => Of(chance, (t, b, r) => b * (1 + (r.Pace * t / 1800)), noise: 0.01)),
        new("fast leak", true, 1.2, chance => Of(chance, (t, b, r) => b * (1 + (8 * r.Pace * t / 1800)), noise: 0.01)),
        new("leak in steps", true, 3, chance =>
        {
            var every = chance.From(2, 6) * Minute;
            return Of(chance, (t, b, r) => b * (1 + (r.Pace * Math.Floor(t / every) * every / 1800)), noise: 0.005);
        }),
        new("leak below a sawtooth", true, 3, chance => Teeth(chance, chance.From(5, 4 * Minute), (t, b, r) => b * (1 + (r.Pace * t / 1800)))),
        new("leak in noise", true, 3, chance => Of(chance, (t, b, r) => b * (1 + (r.Pace * t / 1800)), drift: 0.02, memory: Minute)),
        new("leak after a warm-up", true, 3, chance =>
        {
            var time = chance.From(1, 5) * Minute;
            return Of(chance, (t, b, r) => b * (1 + (2 * (1 - Math.Exp(-t / time))) + (3 * r.Pace * t / 1800)), noise: 0.01);
        }),
        new("leak below bursts", true, 3, chance => Bursts(chance, (t, b, r) => b * (1 + (r.Pace * t / 1800)))),
        new("leak among page cache", true, 3, chance => Cache(chance, (t, b, r) => b * (1 + (r.Pace * t / 1800)))),
        new("leak, restarted every 80 minutes", true, 4, chance => Lives(chance, 80 * Minute, (t, b, r) => b * (1 + (r.Pace * t / 1800)))),
        new("leak on a day's load", true, 12, chance => Of(chance, (t, b, r) => b * (1 + (0.1 * Math.Sin((t + r.Shift) * Math.Tau / 86400)) + (r.Pace * t / 1800)), noise: 0.01)),
        new("leak beside a flat heap, long teeth in memory", true, 3, chance => Beside(chance, chance.From(1, 6) * Minute, r => r.Pace)),
        new("leak in the heap, long teeth in memory", true, 3, chance => Heap(chance, chance.From(1, 6) * Minute, r => r.Pace)),

        new("flat, with noise", false, 24, chance => Of(chance, (_, b, _) => b, noise: 0.03)),
        new("wandering", false, 24, chance => Of(chance, (_, b, _) => b, drift: 0.05, memory: 5 * Minute)),
        new("sawtooth", false, 6, chance => Teeth(chance, chance.From(2, 5 * Minute), (_, b, _) => b)),
        new("churn", false, 3, chance => Teeth(chance, chance.From(1.5, 5), (_, b, _) => b)),
        new("one step", false, 3, chance =>
        {
            var at = chance.From(10 * Minute, 2 * Hour);
            return Of(chance, (t, b, r) => t < at ? b : b * (1 + (4 * r.Pace)), noise: 0.01);
        }),
        new("two steps", false, 3, chance =>
        {
            var (first, second) = (chance.From(10 * Minute, 1 * Hour), chance.From(10 * Minute, 1 * Hour));
            return Of(chance, (t, b, r) => b * (1 + (t < first ? 0 : 2 * r.Pace) + (t < first + second ? 0 : 2 * r.Pace)), noise: 0.01);
        }),
        new("bursts", false, 12, chance => Bursts(chance, (_, b, _) => b)),
        new("a day's load", false, 48, chance => Of(chance, (t, b, r) => b * (1 + (0.4 * Math.Sin((t + r.Shift) * Math.Tau / 86400))), noise: 0.02)),
        new("a step up and down every few hours", false, 24, chance =>
        {
            var (every, ramp) = (chance.From(2, 5) * Hour, chance.From(0.2, 12) * Minute);
            return Of(chance, (t, b, _) => b * (1 + (0.6 * Math.Clamp(Math.Min(t % every, (every / 2) + ramp - (t % every)) / ramp, 0, 1))), noise: 0.01);
        }),
        new("flat heap and what is beside it, long teeth in memory", false, 6, chance => Beside(chance, chance.From(2, 40) * Minute, _ => 0)),
        new("page cache", false, 3, chance => Cache(chance, (_, b, _) => b)),
        new("warm-up", false, 3, chance =>
        {
            var time = chance.From(0.2, 12) * Minute;
            return Of(chance, (t, b, _) => b * (1 + (3 * (1 - Math.Exp(-t / time)))), noise: 0.01);
        }),
        new("restart loop", false, 3, chance => Lives(chance, chance.From(1, 25) * Minute, (t, b, r) => b * (1 + (20 * r.Pace * t / 1800)))),
        new("rate of samples changes", false, 3, chance => Teeth(chance, chance.From(2, 20), (_, b, _) => b, (t, c) => c.Sparse(t) ? 7 : 0.2)),
        new("flat heap, long teeth in memory", false, 6, chance => Heap(chance, chance.From(2, 40) * Minute, _ => 0)),
        new("collections too rare for the window", false, 12, chance => Teeth(chance, chance.From(8, 70) * Minute, (_, b, _) => b)),
        new("a tide of 40 to 120 minutes", false, 12, chance =>
        {
            var period = chance.From(40, 120) * Minute;
            return Of(chance, (t, b, r) => b * (1 + (0.4 * Math.Sin((t + r.Shift) * Math.Tau / period))), noise: 0.01);
        }),
    ];

    /// <summary>The samples of one course, with a mark where a life begins.</summary>
    internal IEnumerable<(MemorySample Sample, bool IsNewLife)> Samples(int seed)
    {
        var chance = new Chance(seed);
        var point = Make(chance);
        var wall = new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
        var life = 0;
        for (double t = 0; t < Hours * Hour;)
        {
            var now = point(t);
            var reading = new MemoryReading((long)(now.Own + now.Active + now.Inactive), (long)now.Inactive, (long)now.Active, null, 0);
            yield return (new MemorySample(wall.AddSeconds(t), TimeSpan.FromSeconds(t), reading, null) { HeapAfterGcBytes = (long?)now.Heap, OutsideHeapBytes = (long?)now.Outside }, now.Life != life);
            life = now.Life;
            t += now.Next ?? chance.From(0.95, 1.1);
        }
    }

    private static Func<double, Point> Of(Chance chance, Func<double, double, Draw, double> line, double noise = 0, double drift = 0, double memory = 1)
    {
        var draw = chance.Draw();
        double wander = 0, last = 0;
        return t =>
        {
            // A value that wanders and is drawn back, with a memory of so many seconds.
            var kept = Math.Exp(-(t - last) / memory);
            (wander, last) = ((wander * kept) + (Math.Sqrt(1 - (kept * kept)) * chance.Normal()), t);
            return new Point(line(t, draw.Base, draw) * (1 + (noise * chance.From(-1, 1)) + (drift * wander)));
        };
    }

    /// <summary>Climbs and falls at once; how far it climbs and how much of it is left differs from tooth to tooth.</summary>
    private static Func<double, Point> Teeth(Chance chance, double period, Func<double, double, Draw, double> floor, Func<double, Chance, double>? next = null)
    {
        var draw = chance.Draw();
        var height = draw.Base * chance.From(0.3, 1.5);
        double begun = 0, length = period, left = 0;
        return t =>
        {
            if (t >= begun + length)
                (begun, length, left) = (t, period * chance.From(0.8, 1.2), height * chance.From(0, 0.03));
            return new Point(floor(t, draw.Base, draw) + left + (height * (t - begun) / length)) { Next = next?.Invoke(t, chance) };
        };
    }

    private static Func<double, Point> Bursts(Chance chance, Func<double, double, Draw, double> floor)
    {
        var draw = chance.Draw();
        double from = chance.From(1, 15) * Minute, to = 0, size = 0;
        return t =>
        {
            if (t >= from)
                (to, size, from) = (t + (chance.From(0.1, 3) * Minute), draw.Base * chance.From(0.2, 2), t + (chance.From(4, 20) * Minute));
            return new Point((floor(t, draw.Base, draw) + (t < to ? size : 0)) * (1 + (0.01 * chance.From(-1, 1))));
        };
    }

    private static Func<double, Point> Cache(Chance chance, Func<double, double, Draw, double> own)
    {
        var draw = chance.Draw();
        return t => new Point(own(t, draw.Base, draw) * (1 + (0.01 * chance.From(-1, 1)))) { Active = draw.Base * t / 3600, Inactive = draw.Base * t / 1800 };
    }

    private static Func<double, Point> Lives(Chance chance, double length, Func<double, double, Draw, double> line)
    {
        var draw = chance.Draw();
        return t => new Point(line(t % length, draw.Base, draw) * (1 + (0.01 * chance.From(-1, 1)))) { Life = (int)(t / length) };
    }

    /// <summary>A runtime that tells what each collection left, and collects so rarely that memory alone looks like a leak.</summary>
    private static Func<double, Point> Heap(Chance chance, double period, Func<Draw, double> pace)
    {
        var draw = chance.Draw();
        var height = draw.Base * 2;
        double begun = 0, left = draw.Base;
        return t =>
        {
            if (t >= begun + period)
                (begun, left) = (t, draw.Base * (1 + (pace(draw) * t / 1800) + (0.02 * chance.From(-1, 1))));
            return new Point(left + (height * (t - begun) / period)) { Heap = left };
        };
    }

    /// <summary>A heap that goes on as it was, and memory beside it. What the runtime says comes every 10 s and is off by some.</summary>
    private static Func<double, Point> Beside(Chance chance, double period, Func<Draw, double> pace)
    {
        var heap = Heap(chance, period, _ => 0);
        var draw = chance.Draw();
        double seen = -10, outside = 0;
        return t =>
        {
            var beside = draw.Base * 0.5 * (1 + (pace(draw) * t / 1800));
            if (t >= seen + 10)
                (seen, outside) = (t, beside * (1 + (0.03 * chance.From(-1, 1))));
            var now = heap(t);
            return now with { Own = now.Own + beside, Outside = outside };
        };
    }

    internal readonly record struct Point(double Own)
    {
        public double Active { get; init; }

        public double Inactive { get; init; }

        public double? Heap { get; init; }

        public double? Outside { get; init; }

        public int Life { get; init; }

        public double? Next { get; init; }
    }

    /// <param name="Base">What the program holds to begin with.</param>
    /// <param name="Pace">The share of it that a leak adds in a window.</param>
    /// <param name="Shift">The time of day at which it begins.</param>
    internal readonly record struct Draw(double Base, double Pace, double Shift);

    internal sealed class Chance(int seed)
    {
#pragma warning disable CA5394 // Nothing here is a secret, and the same number has to give the same course.
        private readonly Random _random = new(seed);

        public double From(double least, double most) => least + ((most - least) * _random.NextDouble());

        public double Normal() => Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(Math.Tau * _random.NextDouble());

        public Draw Draw() => new(From(60, 400) * MB, From(0.12, 0.4), From(0, 86400));

        /// <summary>Ten minutes closely, ten minutes from afar.</summary>
#pragma warning restore CA5394
        public bool Sparse(double t) => (int)(t / 600) % 2 == 1;
    }
}
