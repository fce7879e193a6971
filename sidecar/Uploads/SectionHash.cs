using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Sidecar.Uploads;

/// <summary>What a server is told to check a body against, and what its answer is checked against.</summary>
internal sealed record SectionHash(byte[] Md5, string Sha256)
{
    private const int BufferBytes = 128 * 1024;

    /// <summary>MD5 as the header Content-MD5 has it.</summary>
    internal string ContentMd5 => Convert.ToBase64String(Md5);

    /// <param name="whole">Hashes the whole file, section by section, in the same pass.</param>
    internal static SectionHash Of(SafeFileHandle file, long offset, long length, IncrementalHash? whole, CancellationToken ct)
    {
        // MD5 is the protocol's, for finding accidents; it protects nobody.
#pragma warning disable CA5351
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var section = new FileSection(file, offset, length);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (section.Read(buffer, 0, buffer.Length) is var read and > 0)
            {
                ct.ThrowIfCancellationRequested();
                md5.AppendData(buffer, 0, read);
                sha256.AppendData(buffer, 0, read);
                whole?.AppendData(buffer, 0, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return new SectionHash(md5.GetHashAndReset(), Convert.ToHexStringLower(sha256.GetHashAndReset()));
    }
}
