using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class BackoffTests
{
    private static readonly Backoff Doubling = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), Jitter: 0.5);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(5, 16)]
    [InlineData(7, 60)]
    [InlineData(100_000, 60)]
    public void The_delay_doubles_up_to_the_most(int failure, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Doubling.Delay(failure, random: 0.5));

    [Theory]
    [InlineData(0, 2)]
    [InlineData(1, 6)]
    public void Jitter_changes_it_by_up_to_its_share(double random, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Doubling.Delay(3, random));
}
