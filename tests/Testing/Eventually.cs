using System.Diagnostics;
using Xunit;

namespace Premortem.Testing;

/// <summary>Waits for a condition instead of for a time.</summary>
public static class Eventually
{
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Asks until <paramref name="condition"/> holds of the value, and returns it; reports the last value otherwise.</summary>
    public static async Task<T> Holds<T>(Func<Task<T>> ask, Func<T, bool> condition, string what, TimeSpan? timeout = null)
    {
        var within = timeout ?? DefaultTimeout;
        var clock = Stopwatch.StartNew();
        while (true)
        {
            object? last;
            try
            {
                var value = await ask();
                if (condition(value))
                    return value;
                last = value;
            }
            catch (Exception e) when (e is IOException or HttpRequestException or UnauthorizedAccessException or KeyNotFoundException)
            {
                last = e;
            }
            if (clock.Elapsed > within)
                Assert.Fail($"{what}: not within {within.TotalSeconds:0.#} s; last: {last}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }

    public static Task<T> Holds<T>(Func<T> ask, Func<T, bool> condition, string what, TimeSpan? timeout = null) =>
        Holds(() => Task.FromResult(ask()), condition, what, timeout);

    public static Task IsTrueAsync(Func<Task<bool>> condition, string what, TimeSpan? timeout = null) => Holds(condition, held => held, what, timeout);

    public static Task IsTrue(Func<bool> condition, string what, TimeSpan? timeout = null) => Holds(condition, held => held, what, timeout);
}
