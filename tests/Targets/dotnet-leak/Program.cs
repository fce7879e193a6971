using System.Diagnostics;
using System.Globalization;
using Shop;
using Shop.Native;
using Shop.Orders;
using Shop.Pricing;

// Nothing is caught here: an OutOfMemoryException ends the program, as it ends most.
if (args is ["-h" or "-help" or "--help"])
{
    Console.WriteLine(Flags.Usage);
    return;
}
var flags = Flags.Parse(args);
var rounds = 0L;
if (flags.Report > TimeSpan.Zero)
    Background("report", Report);
if (flags.Spin)
    Background("pricing", () =>
    {
        while (true)
        {
            PriceEngine.Reprice(20_000);
            Interlocked.Increment(ref rounds);
            if (flags.Pause > TimeSpan.Zero)
                Thread.Sleep(flags.Pause);
        }
    });
Print($"pid {Environment.ProcessId}, ready");
Thread.Sleep(flags.Delay);
if (flags.ChurnBytesPerSecond > 0)
    Background("churn", () => Grow(flags.ChurnBytesPerSecond, 0, bytes => OrderBook.Discard(bytes, flags.ObjectBytes)));
switch (flags.Kind)
{
    case "managed":
        Grow(flags.BytesPerSecond, flags.SizeBytes, KeepOrders);
        break;
    case "native":
        Grow(flags.BytesPerSecond, flags.SizeBytes, NativeCache.Keep);
        break;
    case "churn":
        while (true)
        {
            Grow(flags.BytesPerSecond, Math.Max(flags.SizeBytes, 1 << 20), KeepOrders);
            OrderBook.Clear();
        }
    case "hold":
        KeepOrders(flags.SizeBytes);
        break;
    case "crash":
        Grow(flags.BytesPerSecond, flags.SizeBytes, KeepOrders);
        throw new InvalidOperationException("crashed as asked");
    case "none":
        break;
    default:
        throw new FormatException($"there is no kind {flags.Kind}");
}
Print($"done growing");
Thread.Sleep(Timeout.Infinite);

long KeepOrders(long bytes) => OrderBook.Keep(bytes, flags.Shape, flags.ObjectBytes);

// Eats so many bytes a second until it has eaten the limit (0: without end). What a bite takes beyond what was due, the next ones wait for.
static void Grow(double bytesPerSecond, long limit, Func<long, long> eat)
{
    const long most = 8 << 20;
    var clock = Stopwatch.StartNew();
    for (var done = 0L; limit == 0 || done < limit;)
    {
        var due = (long)(clock.Elapsed.TotalSeconds * bytesPerSecond);
        if (limit > 0)
            due = Math.Min(due, limit);
        // At most 8 MiB at once, so that a stall is not followed by one jump.
        var isBehind = due - done > most;
        if (isBehind)
            due = done + most;
        if (due > done)
            done += eat(due - done);
        // From a gigabyte a second on, there is no time to sleep while it lags.
        if (!isBehind || bytesPerSecond < 1e9)
            Thread.Sleep(2);
    }
}

void Report()
{
    while (true)
    {
        Thread.Sleep(flags.Report);
        var info = GC.GetGCMemoryInfo();
        Print($"heap {GC.GetTotalMemory(false) >> 20} MiB of {info.TotalAvailableMemoryBytes >> 20}, resident {Environment.WorkingSet >> 20} MiB, {GC.CollectionCount(0)} collections, {GC.CollectionCount(2)} of them full, {Interlocked.Read(ref rounds)} rounds priced");
    }
}

static void Background(string name, Action work) => new Thread(() => work()) { Name = name, IsBackground = true }.Start();

static void Print(FormattableString line) => Console.WriteLine("dotnet-leak: " + line.ToString(CultureInfo.InvariantCulture));
