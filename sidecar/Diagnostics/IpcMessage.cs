using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Premortem.Contracts;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>
/// One message of the .NET diagnostics IPC protocol: the magic, a size, a command set, a command, and its payload. All numbers are
/// little-endian; a string is its length in characters with the terminating zero, and UTF-16.
/// </summary>
internal sealed class IpcMessage
{
    internal const byte ServerSet = 0xFF;
    private const byte ServerOk = 0x00;
    private const int HeaderBytes = 20;

    /// <summary>No answer that is read here comes near this.</summary>
    private const int MaxAnswerBytes = 64 * 1024;

    private static ReadOnlySpan<byte> Magic => "DOTNET_IPC_V1\0"u8;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    public IpcMessage(byte commandSet, byte command)
    {
        _bytes.Write(Magic);
        _bytes.Write<byte>([0, 0, commandSet, command, 0, 0]);
    }

    public IpcMessage UInt8(byte value)
    {
        _bytes.Write<byte>([value]);
        return this;
    }

    public IpcMessage UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    public IpcMessage UInt64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    public IpcMessage Text(string value)
    {
        UInt32((uint)value.Length + 1);
        _bytes.Write(Encoding.Unicode.GetBytes(value));
        _bytes.Write<byte>([0, 0]);
        return this;
    }

    public async Task SendAsync(Stream stream, CancellationToken ct)
    {
        var bytes = _bytes.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(Magic.Length), checked((ushort)bytes.Length));
        await stream.WriteAsync(bytes, ct);
        await stream.FlushAsync(ct);
    }

    /// <summary>Reads the answer's payload.</summary>
    /// <exception cref="DiagnosticsException">The answer is an error, or none of this protocol.</exception>
    public static async Task<IpcPayload> ReadAnswerAsync(Stream stream, CancellationToken ct)
    {
        var header = new byte[HeaderBytes];
        await stream.ReadExactlyAsync(header, ct);
        if (!header.AsSpan().StartsWith(Magic))
            throw new DiagnosticsException(Reasons.InvalidContent, "the answer is none of the .NET diagnostics protocol");
        int size = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(Magic.Length));
        var (set, command) = (header[16], header[17]);
        if (size is < HeaderBytes or > MaxAnswerBytes || set != ServerSet)
            throw new DiagnosticsException(Reasons.InvalidContent, $"the answer has a size of {size} and a command set of {set}, which no runtime sends");
        var bytes = new byte[size - HeaderBytes];
        await stream.ReadExactlyAsync(bytes, ct);
        var payload = new IpcPayload(bytes);
        return command == ServerOk ? payload : throw Refusal(payload);
    }

    private static DiagnosticsException Refusal(IpcPayload payload)
    {
        var code = payload.Length >= 4 ? payload.UInt32() : 0;
        var more = payload.Length > 4 ? payload.TryText() : null;
        var (reason, text) = code switch
        {
            DiagnosticsClient.UnknownCommand => (Reasons.NotSupportedByRuntime, "the runtime does not know the command; it is too old for it"),
            0x80004001 => (Reasons.NotSupportedByRuntime, "the runtime does not implement it"),
            0x80070005 => (Reasons.AccessDenied, "the runtime was refused access"),
            0x80131386 or 0x80131384 => (Reasons.Unexpected, "the runtime does not understand the message"),
            _ => (Reasons.TargetNotResponding, $"the runtime answered with error 0x{code:X8}"),
        };
        return new DiagnosticsException(reason, string.IsNullOrWhiteSpace(more) ? text : $"{text}: {more}") { ErrorCode = code };
    }
}
