using System.Buffers.Binary;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>What a runtime says first when it dials a diagnostic port: the magic, its cookie, its process, and two bytes for later.</summary>
/// <param name="Cookie">Unique to this life of the runtime.</param>
/// <param name="Pid">Its process, as its own PID namespace numbers it.</param>
internal readonly record struct RuntimeAdvertise(Guid Cookie, ulong Pid)
{
    public const int Bytes = 34;

    private static ReadOnlySpan<byte> Magic => "ADVR_V1\0"u8;

    /// <summary>Null: it is none.</summary>
    public static RuntimeAdvertise? TryRead(ReadOnlySpan<byte> bytes) => bytes.Length == Bytes && bytes.StartsWith(Magic)
        ? new RuntimeAdvertise(new Guid(bytes[8..24]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]))
        : null;
}
