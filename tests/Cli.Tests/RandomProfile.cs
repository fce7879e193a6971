using Premortem.Testing;

namespace Premortem.Cli.Tests;

/// <summary>Profiles such as no program writes: few functions, so that they recur, and all that makes a difference in the table.</summary>
internal static class RandomProfile
{
    private static readonly string[] UnitsToTry = ["bytes", "count", "nanoseconds", "milliseconds", "kilobytes", "widgets", "", "Seconds", "nanogcu", "us"];

    private static readonly string[] Files = ["a.go", "b.go"];

    // Paths that are the same but for their spelling, and none.
    private static readonly string[] Paths = ["/src/a.go", "/src/./b.go", "/src/x/../b.go", "/proc/self/cwd/c.go", "", "d.go", "/", "../e.go"];

    private static readonly string[] LabelUnits = ["", "bytes", "kb", "milliseconds", "widgets"];

    /// <summary>A profile that the filters, granularities and labels have something to do with.</summary>
    internal static byte[] MakeRich(int seed, int? values = null)
    {
        var random = new Random(seed);
        var other = new Random(values ?? seed);
        var encoder = new PprofEncoder().SampleType("count", "count").SampleType("size", UnitsToTry[random.Next(UnitsToTry.Length)]);
        ulong[] mappings = [0, encoder.Mapping("/usr/bin/app", "build"), encoder.Mapping("/lib/x.so"), encoder.Mapping("")];
        var functions = new ulong[random.Next(2, 20)];
        for (var i = 0; i < functions.Length; i++)
            functions[i] = encoder.Function(Name(random), Paths[random.Next(Paths.Length)], random.Next(3));
        var locations = new ulong[random.Next(3, 40)];
        for (var i = 0; i < locations.Length; i++)
            locations[i] = encoder.LocationOf(mappings[random.Next(mappings.Length)], random.Next(4) == 0 ? 0 : random.Next(1, 9) * 4096,
                [.. Some(random, functions, 3).Select(function => (function, (long)random.Next(0, 4)))]);
        var negative = random.Next(4) == 0;
        for (var i = random.Next(1, 120); i > 0; i--)
        {
            ulong[] stack = [.. Some(random, locations, 10)];
            var size = (long)(Math.Pow(other.NextDouble(), 5) * 1e9) * (negative && other.Next(3) == 0 ? -1 : 1);
            (string, string)[] texts = random.Next(2) == 0 ? [] : [("user", $"u{random.Next(4)}"), .. Label(random)];
            (string, long, string)[] numbers = random.Next(2) == 0 ? [] :
                [("bytes", random.Next(3) * 512, LabelUnits[random.Next(2)]), ("request", random.Next(5) * 1024, ""), ("weight", random.Next(1, 5), LabelUnits[random.Next(LabelUnits.Length)])];
            // No two samples are equal: see below.
            encoder.LabeledSample(stack, [other.Next(1, 9), size], [("sample", $"{i}"), .. texts], numbers);
        }
        if (random.Next(4) == 0)
            encoder.TextField(7, "f1|f2.*").TextField(8, "f1|g2");
        if (random.Next(2) == 0)
            encoder.NumberField(10, (long)(random.NextDouble() * 1e12));
        return encoder.ToArray();
    }

    /// <param name="seed">What it is made of.</param>
    /// <param name="values">Null: alone. Else one of a family that can be compared: the same functions and stacks, other values, some samples missing.</param>
    internal static byte[] Make(int seed, int? values = null)
    {
        var random = new Random(seed);
        var other = values is { } own ? new Random(own) : null;
        var encoder = new PprofEncoder();
        var types = random.Next(1, 5);
        for (var i = 0; i < types; i++)
            encoder.SampleType($"type{i}", UnitsToTry[random.Next(UnitsToTry.Length)]);
        ulong[] mappings = random.Next(3) == 0 ? [0] :
            [0, encoder.Mapping("/usr/bin/app", "build"), encoder.Mapping("/lib/x.so"), encoder.Mapping("/opt/x.so"), encoder.Mapping(""), encoder.Mapping("http://host/p")];
        var functions = new ulong[random.Next(1, 30)];
        for (var i = 0; i < functions.Length; i++)
            functions[i] = encoder.Function(Name(random), Files[random.Next(2)], random.Next(3));
        var locations = new ulong[random.Next(1, 60)];
        for (var i = 0; i < locations.Length; i++)
            locations[i] = encoder.LocationIn(mappings[random.Next(mappings.Length)], [.. Some(random, functions, 3)]);
        var negative = random.Next(4) == 0;
        var scale = Math.Pow(10, random.Next(0, 15));
        for (var i = random.Next(0, 200); i > 0; i--)
        {
            ulong[] stack = [.. Some(random, locations, 12)];
            long[] sizes = [.. Enumerable.Range(0, types).Select(_ => Size(random))];
            // Older pprofs add equal samples up before they take the size of a negative one: no two are equal here.
            (string, string)[] labels = [("sample", $"{i}"), .. Label(random)];
            if (other is not null)
                sizes = [.. sizes.Select(size => other.Next(3) == 0 ? size : Size(other))];
            if (other?.Next(4) != 0)
                encoder.Sample(stack, sizes, labels);
        }
        if (random.Next(3) == 0)
            encoder.TextField(7, new[] { "f1|f2.*", "std::.*", "f.|g.*", "main\\.\\(\\*T\\).*", "(" }[random.Next(5)]);
        if (random.Next(2) == 0)
            encoder.TextField(8, "f1|g2|std::vector::.*");
        if (random.Next(2) == 0)
            encoder.TextField(14, $"type{random.Next(5)}");
        if (random.Next(2) == 0)
            encoder.NumberField(10, (long)(random.NextDouble() * 1e12));
        if (random.Next(3) == 0)
            encoder.TextField(13, "a comment").TextField(13, "# not shown");
        return encoder.ToArray();

        long Size(Random from) => from.Next(5) == 0 ? 0 : (long)(Math.Pow(from.NextDouble(), 6) * scale) * (negative && from.Next(3) == 0 ? -1 : 1);
    }

    private static (string Key, string Text)[] Label(Random random) =>
        random.Next(50) == 0 ? [("pprof::base", "true")] : random.Next(3) == 0 ? [("key", "value")] : [];

    private static string Name(Random random) => random.Next(12) switch
    {
        0 => "",
        1 => "std::vector<int>::push_back(int const&)",
        2 => "(anonymous namespace)::f",
        3 => "main.(*T).method",
        4 => "é" + random.Next(3),
        5 => "\U0001F600",
        6 => "[x.so]",
        7 => "<unknown>",
        8 => "g" + random.Next(9),
        _ => "f" + random.Next(9),
    };

    private static IEnumerable<ulong> Some(Random random, ulong[] ids, int atMost)
    {
        for (var i = random.Next(0, atMost + 1); i > 0; i--)
            yield return ids[random.Next(ids.Length)];
    }
}
