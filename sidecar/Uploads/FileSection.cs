using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// A part of a file as a request's body, read straight from the file while it is sent, so that an upload needs no memory of its size.
/// Several may read from one handle at once.
/// </summary>
/// <param name="progress">Told how many bytes of the section have been taken, at each read.</param>
internal sealed class FileSection(SafeFileHandle file, long offset, long length, Action<long>? progress = null) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    public override int Read(Span<byte> buffer)
    {
        var wanted = (int)Math.Min(buffer.Length, length - _position);
        if (wanted <= 0)
            return 0;
        int read;
        try
        {
            read = RandomAccess.Read(file, buffer[..wanted], offset + _position);
        }
        catch (IOException e)
        {
            // Not to be taken for an error of the network, which is an IOException as well.
            throw new StoreException(Reasons.Unexpected, $"the spooled file cannot be read: {e.Message}", isTransient: false, e);
        }
        if (read == 0)
            throw new StoreException(Reasons.ContentMismatch, "the spooled file has become shorter while it was uploaded", isTransient: false);
        _position += read;
        progress?.Invoke(_position);
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    // A local file is read in microseconds, mostly from the page cache: a thread hop a read would cost more.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : ValueTask.FromResult(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin)
    {
        var target = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => _position + offset,
            _ => length + offset,
        };
        ArgumentOutOfRangeException.ThrowIfNegative(target, nameof(offset));
        return _position = Math.Min(target, length);
    }

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
