using Premortem.Sidecar.Targets;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class EndOfTargetsTests
{
    [Theory]
    [InlineData("Never", false, 5)]
    [InlineData("Never", true, 5)]
    [InlineData("OnFailure", true, 5)]
    [InlineData("OnFailure", false, 330)]
    [InlineData(null, true, 5)]
    [InlineData(null, false, 330)]
    public void It_is_over_when_nothing_can_come_back(string? restartPolicy, bool succeeded, int seconds)
    {
        var end = new EndOfTargets();
        Assert.Null(end.Look(At(0), isAnyThere: true, allSucceeded: false, restartPolicy));
        Assert.Null(end.Look(At(100), isAnyThere: false, succeeded, restartPolicy));
        Assert.Null(end.Look(At(100 + seconds - 0.1), isAnyThere: false, succeeded, restartPolicy));
        Assert.Equal("its targets have ended", end.Look(At(100 + seconds), isAnyThere: false, succeeded, restartPolicy));
    }

    [Fact]
    public void What_comes_back_begins_it_anew()
    {
        var end = new EndOfTargets();
        end.Look(At(0), true, false, "Never");
        end.Look(At(1), false, false, "Never");
        end.Look(At(5), true, false, "Never");
        Assert.Null(end.Look(At(7), false, false, "Never"));
        Assert.Null(end.Look(At(11), false, false, "Never"));
        Assert.NotNull(end.Look(At(12), false, false, "Never"));
    }

    [Fact]
    public void What_never_came_is_waited_for_longer_but_not_for_ever()
    {
        var end = new EndOfTargets();
        Assert.Null(end.Look(At(599), false, false, "Never"));
        Assert.Equal("no process of any container has come", end.Look(At(600), false, false, "Never"));
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
