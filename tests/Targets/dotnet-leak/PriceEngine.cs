using System.Runtime.CompilerServices;

namespace Shop.Pricing;

/// <summary>The hot spot.</summary>
public static class PriceEngine
{
    /// <summary>Burns CPU and allocates nothing.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Reprice(int rounds)
    {
        long sum = 0;
        for (var i = 0; i < rounds; i++)
            sum += Discount(i);
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Discount(int price)
    {
        var digits = 0L;
        for (var rest = price + 1_000_000_007L; rest > 0; rest /= 7)
            digits += rest % 7;
        return digits;
    }
}
