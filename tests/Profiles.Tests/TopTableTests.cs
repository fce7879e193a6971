using Premortem.Profiles.Pprof;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests;

public sealed class TopTableTests
{
    private readonly PprofEncoder _encoder = PprofEncoder.Heap();

    [Fact]
    public void A_function_is_charged_for_itself_and_for_what_it_calls()
    {
        var (leaf, main) = (_encoder.At("main.leaf"), _encoder.At("main.main"));
        _encoder.Sample([leaf, main], 1, 3 << 20).Sample([main], 1, 1 << 20);

        var table = Top();

        Assert.Equal(4 << 20, table.Total);
        Assert.Equal([("main.leaf", 3 << 20, 3 << 20), ("main.main", 1 << 20, 4 << 20)], table.Rows.Select(r => (r.Name, r.Flat, r.Cum)));
        Assert.Equal([75.0, 25.0], table.Rows.Select(r => r.FlatPercent));
        Assert.Equal([75.0, 100.0], table.Rows.Select(r => r.SumPercent));
    }

    [Fact]
    public void Recursion_counts_once_in_cum()
    {
        var (f, g) = (_encoder.At("f"), _encoder.At("g"));
        _encoder.Sample([f, g, f, g, f], 1, 100);

        Assert.Equal([("f", 100L, 100L), ("g", 0L, 100L)], Top().Rows.Select(r => (r.Name, r.Flat, r.Cum)));
    }

    [Fact]
    public void An_inlined_frame_is_a_frame_and_is_marked()
    {
        var (inlined, caller, other) = (_encoder.Function("inlined"), _encoder.Function("caller"), _encoder.At("other"));
        _encoder.Sample([_encoder.Location(inlined, caller), other], 1, 100);
        _encoder.Sample([_encoder.Location(inlined), other], 1, 10);

        Assert.Equal(
            [("inlined", 110L, Inlining.Partial), ("caller", 0, Inlining.None), ("other", 0, Inlining.None)],
            Top().Rows.Select(r => (r.Name, r.Flat, r.Inlining)));
    }

    [Fact]
    public void Functions_of_one_name_are_one_row()
    {
        _encoder.Sample([_encoder.Location(_encoder.Function("f", "a.go"))], 1, 1).Sample([_encoder.Location(_encoder.Function("f", "b.go"))], 1, 1);

        Assert.Equal(("f", 2L), (Top().Rows.Single().Name, Top().Rows.Single().Flat));
    }

    [Fact]
    public void Frames_without_a_function_bear_the_name_of_their_binary()
    {
        _encoder.Sample([_encoder.LocationIn(_encoder.Mapping("/lib/libc.so.6"))], 1, 2).Sample([_encoder.LocationIn(0)], 1, 1);

        Assert.Equal(["[libc.so.6]", "<unknown>"], Top().Rows.Select(r => r.Name));
    }

    [Fact]
    public void Small_functions_are_dropped_and_counted()
    {
        _encoder.Sample([_encoder.At("large")], 1, 1000).Sample([_encoder.At("small")], 1, 4);

        var table = Top();

        Assert.Equal(["large"], table.Rows.Select(r => r.Name));
        Assert.Contains("Dropped 1 node (cum <= 5B)", table.Header);
        Assert.Equal(2, Top(new TopOptions { NodeFraction = 0 }).Rows.Count);
    }

    [Fact]
    public void A_row_count_cuts_the_table_and_is_told()
    {
        foreach (var value in Enumerable.Range(1, 5))
            _encoder.Sample([_encoder.At($"f{value}")], 1, value * 1000);

        var table = Top(new TopOptions { NodeCount = 2 });

        Assert.Equal(["f5", "f4"], table.Rows.Select(r => r.Name));
        Assert.Contains("Showing top 2 nodes out of 5", table.Header);
        Assert.Contains("Showing nodes accounting for 8.79kB, 60.00% of 14.65kB total", table.Header);
    }

    [Fact]
    public void Names_decide_ties()
    {
        foreach (var name in new[] { "b", "a", "é", "B" })
            _encoder.Sample([_encoder.At(name)], 1, 7);

        Assert.Equal(["B", "a", "b", "é"], Top().Rows.Select(r => r.Name));
    }

    [Fact]
    public void Negative_values_count_by_their_size()
    {
        _encoder.Sample([_encoder.At("gone")], 1, -300).Sample([_encoder.At("come")], 1, 100);

        var table = Top();

        Assert.Equal(400, table.Total);
        Assert.Equal([("gone", -300L), ("come", 100L)], table.Rows.Select(r => (r.Name, r.Flat)));
        Assert.Equal(-75.0, table.Rows[0].FlatPercent);
    }

    [Fact]
    public void The_smallest_number_there_is_does_no_harm()
    {
        _encoder.Sample([_encoder.At("f")], 1, long.MinValue).Sample([_encoder.At("g")], 1, long.MinValue);

        Top().Write(TextWriter.Null);
    }

    [Fact]
    public void Dropped_frames_take_with_them_what_they_call()
    {
        var (malloc, inner, user) = (_encoder.At("malloc(size)"), _encoder.At("inner"), _encoder.At("user"));
        _encoder.Sample([inner, malloc, user], 1, 10).Sample([malloc], 1, 5).TextField(7, "mal+oc|other");

        Assert.Equal([("user", 10L), ("malloc(size)", 5L)], Top().Rows.Select(r => (r.Name, r.Flat)));
    }

    [Fact]
    public void Kept_frames_are_kept_though_they_are_to_be_dropped()
    {
        var (malloc, user) = (_encoder.At("malloc"), _encoder.At("user"));
        _encoder.Sample([malloc, user], 1, 10).TextField(7, "m.*").TextField(8, "malloc");

        Assert.Equal(["malloc", "user"], Top().Rows.Select(r => r.Name));
    }

    [Fact]
    public void A_dropped_inlined_frame_leaves_its_caller()
    {
        var (helper, caller, user) = (_encoder.Function("helper"), _encoder.Function("caller"), _encoder.At("user"));
        _encoder.Sample([_encoder.Location(helper, caller), user], 1, 10).TextField(7, "helper");

        Assert.Equal([("caller", 10L), ("user", 0L)], Top().Rows.Select(r => (r.Name, r.Flat)));
    }

    [Theory]
    [InlineData("(")]
    [InlineData("((a{1000}){1000}){1000}")]
    [InlineData("a{99999999999999999999}")]
    public void An_expression_that_nobody_can_read_drops_nothing(string expression)
    {
        _encoder.Sample([_encoder.At("a"), _encoder.At("user")], 1, 10).TextField(7, expression);

        Assert.Equal(2, Top().Rows.Count);
    }

    [Theory]
    [InlineData("operator()(int)", "operator()")]
    [InlineData("(anonymous namespace)::f(int)", "(anonymous namespace)::f")]
    [InlineData(".f(int)", "f")]
    [InlineData("main.(*T).f", "main.")]
    [InlineData("f", "f")]
    public void Names_are_matched_without_their_arguments(string name, string simple) => Assert.Equal(simple, FramePruning.Simplify(name));

    [Fact]
    public void A_sample_without_a_stack_counts_in_the_total_alone()
    {
        _encoder.Sample([], 1, 30).Sample([_encoder.At("f")], 1, 70);

        Assert.Equal((100, 70.0), (Top().Total, Top().Rows.Single().FlatPercent));
    }

    [Fact]
    public void A_profile_without_samples_makes_an_empty_table()
    {
        var table = Top();

        Assert.Empty(table.Rows);
        Assert.Equal(["Type: inuse_space", "Showing nodes accounting for 0, 0% of 0 total"], table.Header);
    }

    [Fact]
    public void Control_characters_do_not_reach_the_terminal()
    {
        _encoder.Sample([_encoder.At("\u001b[2Jf\r\n")], 1, 1);
        using var text = new StringWriter();

        Top().Write(text);

        Assert.Contains("  \\x1b[2Jf\\x0d\\x0a\n", text.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The goldens are what pprof printed of these files, with the time as newer versions of it write it.</summary>
    [Theory]
    [InlineData("heap")]
    [InlineData("cpu")]
    public void A_recorded_profile_makes_the_table_that_pprof_made_of_it(string name)
    {
        var folder = Repository.Path("tests", "Profiles.Tests", "testdata");
        using var text = new StringWriter();

        TopTable.Of(PprofProfile.ReadFile(Path.Combine(folder, name + ".pb.gz"))).Write(text);

        Assert.Equal(File.ReadAllText(Path.Combine(folder, name + ".top")), text.ToString());
    }

    private TopTable Top(TopOptions? options = null) => TopTable.Of(PprofProfile.Read(new MemoryStream(_encoder.ToArray())), options);
}
