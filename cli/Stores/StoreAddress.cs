using Premortem.Contracts.Policies;

namespace Premortem.Cli.Stores;

/// <summary>Where captures stand, as users write it: <c>s3://bucket/prefix?endpoint=…&amp;region=…&amp;forcePathStyle=true</c>, a <c>file://</c> URL or a folder.</summary>
internal static class StoreAddress
{
    private const string S3Scheme = "s3://";

    internal static bool IsS3(string address) => address.StartsWith(S3Scheme, StringComparison.OrdinalIgnoreCase);

    internal static bool IsFile(string address) => address.StartsWith("file://", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it is an address at all, rather than a name: an S3 or file URL, or a path, which has a slash in it or starts with a dot.</summary>
    internal static bool IsOne(string text) => IsS3(text) || text.Contains('/', StringComparison.Ordinal) || text.StartsWith('.');

    /// <exception cref="VerbException">It is none; the message says what is wrong.</exception>
    internal static Storage Parse(string address)
    {
        if (IsS3(address))
            return ParseS3(address);
        if (address.Length == 0)
            throw VerbException.Usage("a store is s3://bucket/prefix or a folder, and this one is empty");
        if (IsFile(address))
            return Uri.TryCreate(address, UriKind.Absolute, out var url) && url.IsFile && url.Host.Length == 0
                ? new DirectoryStorage(url.LocalPath)
                : throw VerbException.Usage($"{Printable.Of(address)}: write a file URL like file:///path");
        if (address.Contains("://", StringComparison.Ordinal))
            throw VerbException.Usage($"{Printable.Of(address)}: a store is s3://bucket/prefix or a folder; the server of a bucket goes into ?endpoint=");
        return new DirectoryStorage(Path.GetFullPath(address));
    }

    /// <exception cref="VerbException">It is no server's address.</exception>
    internal static Uri Endpoint(string text, string from) =>
        Uri.TryCreate(text, UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https" && endpoint.Host.Length > 0
            ? endpoint
            : throw VerbException.Usage($"{from}: '{Printable.Of(text)}' is no server's address: write http://host:port or https://host");

    private static S3Storage ParseS3(string address)
    {
        var rest = address[S3Scheme.Length..];
        var (path, query) = rest.IndexOf('?', StringComparison.Ordinal) is var mark and >= 0 ? (rest[..mark], rest[(mark + 1)..]) : (rest, "");
        var (bucket, prefix) = path.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? (path[..slash], path[(slash + 1)..]) : (path, "");
        if (bucket.Length is < 3 or > 255 || !bucket.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
            throw VerbException.Usage($"{Printable.Of(address)}: '{Printable.Of(bucket)}' is no bucket's name: write s3://bucket/prefix");
        var storage = new S3Storage(bucket) { Prefix = prefix.Trim('/') };
        bool? pathStyle = null;
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var value = Uri.UnescapeDataString(pair[(equals + 1)..]);
            switch (equals < 0 ? pair : pair[..equals])
            {
                case "endpoint":
                    storage = storage with { Endpoint = Endpoint(value, "endpoint") };
                    break;
                case "region":
                    storage = storage with { Region = value };
                    break;
                case "forcePathStyle":
                    pathStyle = bool.TryParse(value, out var forced) ? forced : throw VerbException.Usage($"forcePathStyle is true or false, not '{Printable.Of(value)}'");
                    break;
                case var unknown:
                    throw VerbException.Usage($"'{Printable.Of(unknown)}' is no setting of a store: there are endpoint, region and forcePathStyle");
            }
        }
        // Most servers other than AWS know no other style.
        return storage with { ForcePathStyle = pathStyle ?? storage.Endpoint is not null };
    }
}
