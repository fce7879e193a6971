namespace Shop.Orders;

public sealed class OrderLine
{
    public required string Sku { get; init; }

    public int Quantity { get; init; }

    public long PriceInCents { get; init; }
}

public sealed class Customer
{
    public required string Name { get; init; }
}

/// <summary>What leaks.</summary>
public sealed class Order
{
    public long Id { get; init; }

    public required Customer Customer { get; init; }

    public required string Comment { get; init; }

    public required OrderLine[] Lines { get; init; }
}

/// <summary>An object and a reference, and nothing more: as many as fit.</summary>
public sealed class Link
{
    public Link? Next { get; init; }
}
