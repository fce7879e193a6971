using System.Runtime.CompilerServices;

namespace Shop.Orders;

/// <summary>Keeps every order that it ever saw, in one of the shapes that leaks come in.</summary>
public static class OrderBook
{
    private const int BytesOfALine = 40 + 40;
    private const int BytesBesideTheLines = 48 + 24 + 48 + 24 + 8;

    private static readonly List<Order> s_orders = [];
    private static readonly List<byte[]> s_arrays = [];
    private static readonly List<string> s_strings = [];
    private static readonly Customer[] s_customers = [.. Enumerable.Range(0, 100).Select(i => new Customer { Name = $"customer {i}" })];
    private static Link? s_link;
    private static long s_made;

    /// <summary>Keeps objects until this thread has allocated so many bytes.</summary>
    /// <returns>What it allocated: whole objects, some at once, so that the caller can carry what is too much.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Keep(long bytes, string shape, int objectBytes)
    {
        var start = GC.GetAllocatedBytesForCurrentThread();
        // Asking costs as much as a small object: a few are made between two questions.
        var atOnce = Math.Clamp(16 * 1024 / Math.Max(objectBytes, 24), 1, 256);
        while (Since(start) < bytes)
            for (var i = 0; i < atOnce; i++)
                KeepOne(shape, objectBytes);
        return Since(start);
    }

    /// <summary>Makes garbage until this thread has allocated so many bytes.</summary>
    /// <returns>What it allocated.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Discard(long bytes, int objectBytes)
    {
        var start = GC.GetAllocatedBytesForCurrentThread();
        while (Since(start) < bytes)
            GC.KeepAlive(Place(objectBytes));
        return Since(start);
    }

    public static void Clear()
    {
        s_orders.Clear();
        s_arrays.Clear();
        s_strings.Clear();
        s_orders.TrimExcess();
        s_arrays.TrimExcess();
        s_strings.TrimExcess();
        s_link = null;
    }

    private static long Since(long start) => GC.GetAllocatedBytesForCurrentThread() - start;

    private static void KeepOne(string shape, int objectBytes)
    {
        switch (shape)
        {
            case "orders":
                s_orders.Add(Place(objectBytes));
                break;
            case "small":
                s_link = new Link { Next = s_link };
                break;
            case "arrays":
                var array = GC.AllocateUninitializedArray<byte>(Math.Max(objectBytes - 24, 1));
                // A page that nobody wrote to is none.
                for (var i = 0; i < array.Length; i += 4096)
                    array[i] = 1;
                s_arrays.Add(array);
                break;
            case "strings":
                s_strings.Add(new string('s', Math.Max((objectBytes - 22) / 2, 1)));
                break;
            default:
                throw new FormatException($"there is no shape {shape}");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Order Place(int objectBytes)
    {
        var lines = new OrderLine[Math.Max((objectBytes - BytesBesideTheLines) / BytesOfALine, 1)];
        for (var i = 0; i < lines.Length; i++)
            lines[i] = new OrderLine { Sku = new string((char)('a' + i % 26), 8), Quantity = i + 1, PriceInCents = 199 };
        return new Order { Id = ++s_made, Customer = s_customers[s_made % s_customers.Length], Comment = new string('-', 12), Lines = lines };
    }
}
