using System.Security.Cryptography;
using Premortem.Sidecar.Uploads;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class EntityTagTests
{
    private static readonly byte[] s_md5 = MD5.HashData("premortem"u8);
    private static readonly string s_hex = Convert.ToHexStringLower(s_md5);

    [Fact]
    public void The_right_hash_is_no_contradiction_however_it_is_written()
    {
        Assert.False(EntityTag.Contradicts($"\"{s_hex}\"", s_md5, isKmsEncrypted: false));
        Assert.False(EntityTag.Contradicts(s_hex.ToUpperInvariant(), s_md5, isKmsEncrypted: false));
    }

    [Fact]
    public void Another_hash_is_a_contradiction_unless_a_kms_key_was_used()
    {
        var other = $"\"{new string('0', 32)}\"";
        Assert.True(EntityTag.Contradicts(other, s_md5, isKmsEncrypted: false));
        Assert.False(EntityTag.Contradicts(other, s_md5, isKmsEncrypted: true));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("\"opaque\"")]
    [InlineData("\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"")]
    public void What_is_no_hash_is_no_contradiction(string? etag)
    {
        Assert.False(EntityTag.Contradicts(etag, s_md5, isKmsEncrypted: false));
        Assert.False(EntityTag.ContradictsParts(etag, [s_md5, s_md5], isKmsEncrypted: false));
    }

    [Fact]
    public void Parts_are_hashed_by_their_hashes()
    {
        byte[] both = [.. s_md5, .. s_md5];
        var right = Convert.ToHexStringLower(MD5.HashData(both));
        Assert.False(EntityTag.ContradictsParts($"\"{right}-2\"", [s_md5, s_md5], isKmsEncrypted: false));
        Assert.True(EntityTag.ContradictsParts($"\"{s_hex}-2\"", [s_md5, s_md5], isKmsEncrypted: false));
        Assert.False(EntityTag.ContradictsParts($"\"{s_hex}-7\"", [s_md5, s_md5], isKmsEncrypted: false));
    }
}
