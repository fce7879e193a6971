using Microsoft.Extensions.Time.Testing;
using Premortem.Operator.Policies;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class PatchPaceTests
{
    [Fact]
    public void After_a_second_s_worth_at_once_the_rest_comes_evenly()
    {
        var time = new FakeTimeProvider();
        var pace = new PatchPace(10, time);
        time.Advance(TimeSpan.FromMinutes(1));
        var waits = Enumerable.Range(0, 14).Select(_ => pace.WaitAsync(TestContext.Current.CancellationToken)).ToArray();
        Assert.Equal(11, waits.Count(wait => wait.IsCompleted));
        time.Advance(TimeSpan.FromMilliseconds(101));
        Assert.Equal(12, waits.Count(wait => wait.IsCompleted));
        time.Advance(TimeSpan.FromMilliseconds(200));
        Assert.Equal(14, waits.Count(wait => wait.IsCompleted));
    }
}
