using Xunit;

namespace Premortem.Testing;

/// <summary>What a test needs and may not find: on a desk it is skipped with the reason, under <c>CI=true</c> it fails.</summary>
public static class Need
{
    public static bool IsCi { get; } = Environment.GetEnvironmentVariable("CI") == "true";

    public static void Part(bool isThere, string reason)
    {
        if (isThere)
            return;
        if (IsCi)
            Assert.Fail($"needed under CI=true: {reason}");
        Assert.Skip(reason);
    }
}
