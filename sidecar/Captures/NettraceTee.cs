using Premortem.Profiles.Nettrace;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Passes a nettrace stream on in whole blocks, and has a reader look at it on its way. What follows the last whole block is held back
/// until the rest of it comes: a stream that is cut off can then be ended so that every reader takes it.
/// </summary>
internal sealed class NettraceTee(NettraceReader reader, Stream destination)
{
    private static readonly byte[] EndMark = [1];

    private byte[] _held = [];
    private int _heldBytes;

    /// <summary>The bytes passed on so far.</summary>
    public long Written { get; private set; }

    /// <exception cref="Profiles.ProfileFormatException">It is no nettrace stream.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        reader.Feed(bytes.Span);
        var whole = reader.WholeBytes - Written;
        if (whole >= _heldBytes && whole > 0)
        {
            await PassOnAsync(_held.AsMemory(0, _heldBytes), ct);
            var fresh = (int)whole - _heldBytes;
            _heldBytes = 0;
            await PassOnAsync(bytes[..fresh], ct);
            bytes = bytes[fresh..];
        }
        Hold(bytes.Span);
    }

    /// <summary>Ends a stream that did not end itself: behind its last whole block.</summary>
    public async ValueTask EndAsync(CancellationToken ct)
    {
        if (!reader.HasEnded && reader.Header is not null)
            await PassOnAsync(EndMark, ct);
    }

    private async ValueTask PassOnAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        if (bytes.IsEmpty)
            return;
        await destination.WriteAsync(bytes, ct);
        Written += bytes.Length;
    }

    // The reader refuses blocks of more than NettraceReader.MaxBlockBytes, and with them what would be held here.
    private void Hold(ReadOnlySpan<byte> bytes)
    {
        if (_held.Length < _heldBytes + bytes.Length)
            Array.Resize(ref _held, Math.Max(_held.Length * 2, _heldBytes + bytes.Length));
        bytes.CopyTo(_held.AsSpan(_heldBytes));
        _heldBytes += bytes.Length;
    }
}
