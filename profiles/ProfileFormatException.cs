using System.Globalization;

namespace Premortem.Profiles;

/// <summary>A file is not the profile that it claims to be: cut off, damaged, hostile, or of another format.</summary>
public sealed class ProfileFormatException : Exception
{
    /// <param name="problem">What is wrong, in words, without the place.</param>
    /// <param name="offset">Where: see <see cref="Offset"/>.</param>
    /// <param name="compressed">Whether the place is one of the compressed file rather than of what was in it.</param>
    /// <param name="inner">What was thrown underneath, if anything.</param>
    internal ProfileFormatException(string problem, long offset, bool compressed = false, Exception? inner = null)
        : base(string.Create(CultureInfo.InvariantCulture, $"{problem} (at byte {offset} of the {(compressed ? "file" : "profile's uncompressed bytes")})"), inner) =>
        Offset = offset;

    /// <summary>The place of the fault, from 0. For a gzip file: of its content, unless the gzip itself is at fault.</summary>
    public long Offset { get; }
}
