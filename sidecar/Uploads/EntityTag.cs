using System.Security.Cryptography;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// What an S3 server's ETag says about the content: the MD5 of a body, or of its parts' MD5s with their number behind a dash. It is
/// no hash where the server encrypts with a KMS key, and servers other than AWS may send anything: what does not look like such a hash proves
/// nothing, and is no mismatch either. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
/// </summary>
internal static class EntityTag
{
    /// <summary>Whether the server says that it holds other bytes than <paramref name="md5"/> was made of.</summary>
    internal static bool Contradicts(string? etag, byte[] md5, bool isKmsEncrypted) => ContradictsHash(Bare(etag), md5, isKmsEncrypted);

    /// <summary>Whether the server says that it has put an object together from other parts than those.</summary>
    internal static bool ContradictsParts(string? etag, IReadOnlyList<byte[]> md5s, bool isKmsEncrypted)
    {
        var bare = Bare(etag);
        var dash = bare.IndexOf('-', StringComparison.Ordinal);
        // A number of parts that is not ours means that the server has cut the object up anew.
        if (dash < 0 || !int.TryParse(bare.AsSpan(dash + 1), out var parts) || parts != md5s.Count)
            return false;
#pragma warning disable CA5351 // the protocol's
        return ContradictsHash(bare[..dash], MD5.HashData(md5s.SelectMany(md5 => md5).ToArray()), isKmsEncrypted);
#pragma warning restore CA5351
    }

    private static bool ContradictsHash(string hex, byte[] md5, bool isKmsEncrypted) =>
        !isKmsEncrypted
        && hex.Length == 32
        && hex.All(char.IsAsciiHexDigit)
        && !string.Equals(hex, Convert.ToHexStringLower(md5), StringComparison.OrdinalIgnoreCase);

    private static string Bare(string? etag) => etag?.Trim('"') ?? "";
}
