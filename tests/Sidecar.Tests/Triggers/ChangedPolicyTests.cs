using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>What a trigger engine remembers when the policy changes under it.</summary>
public sealed class ChangedPolicyTests
{
    private const long Limit = 1000 << 20;
    private static readonly CaptureLimits s_limits = new() { Cooldown = TimeSpan.FromMinutes(10) };
    private readonly TriggerEngine _engine = new([At("high", 0.8)], s_limits, TriggerHistory.Empty);
    private double _now;

    [Fact]
    public void A_trigger_that_did_not_change_does_not_fire_again_for_memory_that_stays()
    {
        Assert.Equal(["high"], Fires(0.85));
        _engine.Change([At("low", 0.5), At("high", 0.8)], s_limits with { Cooldown = TimeSpan.Zero });
        // The new one fires. The old one has fired at this height, cooldown or not.
        Assert.Equal(["low"], Fires(0.85));
    }

    [Fact]
    public void A_trigger_that_changed_is_armed_anew_and_keeps_its_cooldown()
    {
        Assert.Equal(["high"], Fires(0.85));
        _engine.Change([At("high", 0.7)], s_limits);
        Assert.Empty(Fires(0.85));
        _now += 601;
        Assert.Equal(["high"], Fires(0.85));
    }

    [Fact]
    public void A_shorter_cooldown_holds_at_once()
    {
        Assert.Equal(["high"], Fires(0.85));
        Assert.Empty(Fires(0.95));
        _engine.Change([At("high", 0.8)], s_limits with { Cooldown = TimeSpan.FromSeconds(1) });
        _now += 1;
        Assert.Equal(["high"], Fires(0.96));
    }

    [Fact]
    public void Without_triggers_nothing_fires_and_with_them_again_the_day_is_still_counted()
    {
        Assert.Equal(["high"], Fires(0.85));
        _engine.Change([], s_limits);
        Assert.Empty(Fires(0.99));
        _engine.Change([At("other", 0.8)], s_limits with { MaxPerDay = 1 });
        Assert.Empty(Fires(0.99));
    }

    private static MemoryUsageTrigger At(string name, double share) => new(name, new MemoryThreshold(share, null), TimeSpan.Zero);

    /// <summary>Two samples: one alone is not believed.</summary>
    private List<string> Fires(double share)
    {
        var fired = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            _now += 1;
            var sample = new MemorySample(Replay.Start.AddSeconds(_now), TimeSpan.FromSeconds(_now), new MemoryReading((long)(Limit * share), 0, 0, Limit, null), Limit);
            fired.AddRange(_engine.Decide(sample).OfType<TriggerDecision.Fire>().Select(fire => fire.Trigger.Name));
        }
        return fired;
    }
}
