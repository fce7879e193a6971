using System.IO.Compression;

namespace Premortem.Testing;

public static class Gzip
{
    public static byte[] Unpack(byte[] gzip)
    {
        using var content = new MemoryStream();
        using (var stream = new GZipStream(new MemoryStream(gzip), CompressionMode.Decompress))
            stream.CopyTo(content);
        return content.ToArray();
    }
}
