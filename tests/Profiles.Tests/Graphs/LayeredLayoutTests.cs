using Premortem.Profiles.Graphs;
using Xunit;

namespace Premortem.Profiles.Tests.Graphs;

public sealed class LayeredLayoutTests
{
    [Fact]
    public void Callers_stand_above_and_long_arrows_have_places_between()
    {
        var layout = new LayeredLayout([(40, 20), (40, 20), (40, 20)], [(0, 1), (1, 2), (0, 2)]);

        Assert.Equal([0, 1, 2], Enumerable.Range(0, 3).OrderBy(node => layout.Centres[node].Y));
        Assert.Equal([2, 2, 3], layout.Paths.Select(path => path.Length));
        // The way round does not go through the node between.
        Assert.True(Math.Abs(layout.Paths[2][1].X - layout.Centres[1].X) > 20);
    }

    [Fact]
    public void A_tree_is_centred_over_its_leaves()
    {
        var layout = new LayeredLayout([(40, 20), (40, 20), (40, 20)], [(0, 1), (0, 2)]);

        Assert.Equal((layout.Centres[1].X + layout.Centres[2].X) / 2, layout.Centres[0].X, 3);
    }

    [Theory]
    [InlineData(1, 60, 20)]
    [InlineData(2, 60, 200)]
    [InlineData(3, 2, 3)]
    [InlineData(4, 250, 1000)]
    public void Whatever_calls_whatever_no_two_boxes_overlap_and_every_arrow_ends_where_it_should(int seed, int nodes, int calls)
    {
        var random = new Random(seed);
        var sizes = Enumerable.Range(0, nodes).Select(_ => ((double)random.Next(20, 300), (double)random.Next(10, 60))).ToList();
        var edges = Enumerable.Range(0, calls).Select(_ => (From: random.Next(nodes), To: random.Next(nodes))).Where(edge => edge.From != edge.To).Distinct().ToList();

        var layout = new LayeredLayout(sizes, edges);

        for (var i = 0; i < nodes; i++)
        {
            var (x, y) = layout.Centres[i];
            Assert.InRange(x, sizes[i].Item1 / 2 - 0.01, layout.Width - (sizes[i].Item1 / 2) + 0.01);
            Assert.InRange(y, sizes[i].Item2 / 2 - 0.01, layout.Height - (sizes[i].Item2 / 2) + 0.01);
            for (var j = 0; j < i; j++)
                Assert.False(
                    Math.Abs(x - layout.Centres[j].X) < ((sizes[i].Item1 + sizes[j].Item1) / 2) - 0.01 && Math.Abs(y - layout.Centres[j].Y) < ((sizes[i].Item2 + sizes[j].Item2) / 2) - 0.01,
                    $"{i} over {j}");
        }
        Assert.Equal(edges.Select(edge => (layout.Centres[edge.From], layout.Centres[edge.To])), layout.Paths.Select(path => (path[0], path[^1])));
        // Every path goes one way.
        Assert.All(layout.Paths, path => Assert.Single(path.Zip(path.Skip(1)).Select(pair => Math.Sign(pair.Second.Y - pair.First.Y)).Distinct()));
    }
}
