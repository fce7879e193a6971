using System.Security.Cryptography;

namespace Premortem.Testing;

/// <summary>A file of random content, and its SHA-256 in lower-case hex.</summary>
public sealed record SampleFile(string Path, string Sha256)
{
    public static SampleFile Make(TemporaryFolder folder, long bytes)
    {
        var path = folder.File(System.IO.Path.GetRandomFileName());
        using var file = File.Create(path);
        var buffer = new byte[1024 * 1024];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var left = bytes; left > 0; left -= buffer.Length)
        {
            // Every piece its own content: a server that mixes up parts must not get away with it.
            RandomNumberGenerator.Fill(buffer);
            var piece = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
            hash.AppendData(piece);
            file.Write(piece);
        }
        return new SampleFile(path, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
