namespace Premortem.Profiles.Pprof;

/// <summary>
/// Passes a stream through, counts its bytes and remembers the last eight: in a gzip file, checksum and length.
/// </summary>
/// <param name="head">The stream's first bytes, which somebody has already taken to look at them.</param>
/// <param name="rest">The stream behind them.</param>
internal sealed class TailStream(byte[] head, Stream rest) : Stream
{
    private readonly byte[] _tail = new byte[8];
    private int _headGiven;

    internal long Count { get; private set; }

    internal ReadOnlySpan<byte> Tail => _tail;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Count;
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int read;
        if (_headGiven < head.Length)
        {
            read = Math.Min(buffer.Length, head.Length - _headGiven);
            head.AsSpan(_headGiven, read).CopyTo(buffer);
            _headGiven += read;
        }
        else
        {
            read = rest.Read(buffer);
        }
        Keep(buffer[..read]);
        return read;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        Count += bytes.Length;
        if (bytes.Length >= 8)
        {
            bytes[^8..].CopyTo(_tail);
            return;
        }
        _tail.AsSpan(bytes.Length).CopyTo(_tail);
        bytes.CopyTo(_tail.AsSpan(8 - bytes.Length));
    }
}
