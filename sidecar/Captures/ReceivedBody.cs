using System.Buffers;
using System.Runtime.CompilerServices;
using Premortem.Contracts;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// A body on its way from a target to where it is kept: whoever reads it sees what has been written. Bounded in bytes and in time;
/// what goes wrong with the target comes as <see cref="ReceiveException"/>, what goes wrong at the destination as it is.
/// </summary>
internal sealed class ReceivedBody(Stream source, Stream destination, long maxBytes, ReceiveTimer timer, CancellationToken ct) : Stream
{
    internal const int BufferBytes = 64 * 1024;

    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private int _start;
    private int _end;
    private bool _ended;
    private bool _disposed;

    /// <summary>The bytes received and written so far.</summary>
    internal long Received { get; private set; }

    /// <summary>The last four bytes, as a little-endian number.</summary>
    internal uint Tail { get; private set; }

    /// <summary>Whether it was the destination that failed.</summary>
    internal bool DestinationFailed { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>The next bytes without taking them: as many as asked for, fewer only at the end.</summary>
    internal async ValueTask<ReadOnlyMemory<byte>> PeekAsync(int count)
    {
        while (_end - _start < count && !_ended)
            await FillAsync();
        return _buffer.AsMemory(_start, Math.Min(count, _end - _start));
    }

    /// <summary>Receives what is left.</summary>
    internal async Task DrainAsync()
    {
        do
            _start = _end = 0;
        while (await FillAsync());
    }

    // These run once for every piece that comes; their state is pooled, so that a large body leaves no garbage.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_start == _end && !await FillAsync())
            return 0;
        var count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsMemory(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            ArrayPool<byte>.Shared.Return(_buffer);
        }
        base.Dispose(disposing);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> FillAsync()
    {
        if (_ended)
            return false;
        if (_start == _end)
            _start = _end = 0;
        var fresh = _buffer.AsMemory(_end, BufferBytes - _end);
        var count = await ReceiveAsync(fresh);
        if (count == 0)
        {
            _ended = true;
            return false;
        }
        fresh = fresh[..count];
        if (Received + count > maxBytes)
            throw new ReceiveException(Reasons.TooLarge, $"more than {Quantity.Format(maxBytes)} came");
        foreach (var b in fresh.Span[Math.Max(0, count - 4)..])
            Tail = (Tail >> 8) | ((uint)b << 24);
        await WriteAsync(fresh);
        Received += count;
        _end += count;
        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveAsync(Memory<byte> into)
    {
        timer.Rearm();
        try
        {
            return await source.ReadAsync(into, timer.Token);
        }
        catch (OperationCanceledException) when (timer.IsUp && !ct.IsCancellationRequested)
        {
            throw timer.ToException(Received);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new ReceiveException(Reasons.InvalidContent, $"the connection ended after {Received} bytes, before the body did", isCut: true, e);
        }
    }

    // Not under the timer: a slow disk is not the target's fault.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await destination.WriteAsync(bytes, ct);
        }
        catch
        {
            DestinationFailed = true;
            throw;
        }
    }
}
