using Premortem.Testing;

namespace Premortem.Cli.Tests;

/// <summary>Profiles such as no program writes: few functions, so that they recur, and all that makes a difference in the table.</summary>
internal static class RandomProfile
{
    private static readonly string[] UnitsToTry = ["bytes", "count", "nanoseconds", "milliseconds", "kilobytes", "widgets", "", "Seconds", "nanogcu", "us"];

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
            functions[i] = encoder.Function(Name(random), random.Next(2) == 0 ? "a.go" : "b.go", random.Next(3));
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
