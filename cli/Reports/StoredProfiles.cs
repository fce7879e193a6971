using System.CommandLine;
using System.Security.Cryptography;
using Premortem.Cli.Captures;
using Premortem.Cli.Cluster;
using Premortem.Cli.Fetching;
using Premortem.Cli.Stores;
using Premortem.Contracts;

namespace Premortem.Cli.Reports;

/// <summary>Profiles of captures that lie in a bucket, by the capture's name in the cluster or by their address; each held against its SHA-256.</summary>
internal sealed class StoredProfiles(World world)
{
    private const int MostBytes = 512 << 20;

    // A word that ends like this is meant to be a file, there or not.
    private static readonly string[] s_extensions =
        [".gz", ".pb", ".pprof", ".prof", ".json", ".nettrace", ".txt", ".out", ".folded", ".dmp", ".zst", ".csv", ".svg", ".html", ".gcdump", ".log"];

    private readonly ClusterOptions _cluster = new();
    private readonly StoreOptions _stores = new();
    private readonly Option<bool> _fromSecret = new("--credentials-from-secret") { Description = "Of a capture: read the S3 credentials from the Secret that its policy names." };

    internal void AddTo(Command command)
    {
        _cluster.AddTo(command, world);
        _stores.AddTo(command);
        command.Add(_fromSecret);
    }

    internal string? Namespace(ParseResult parsed) => _cluster.Namespace(parsed);

    /// <summary>
    /// Whether the source is in a store: an <c>s3://</c> URL, <c>capture/NAME</c>, or a word that is no file or folder here and does not
    /// look like one.
    /// </summary>
    internal static bool IsOne(string source) =>
        StoreAddress.IsS3(source)
        || CaptureSource.SaysSo(source)
        || (source != "-" && !StoreAddress.IsOne(source) && !source.Contains('\\', StringComparison.Ordinal) && !EndsLikeFile(source) && !Path.Exists(source));

    /// <summary>Whether it is a whole capture, of which a profile can be chosen.</summary>
    internal static bool IsCapture(string source) => IsOne(source) && !(StoreAddress.IsS3(source) && EndsLikeFile(PathOf(source)));

    /// <param name="choose">Which of the files; given their names.</param>
    /// <exception cref="VerbException">It is not there, or not what the manifest says.</exception>
    internal async Task<Stream> ReadAsync(ParseResult parsed, string source, Func<IReadOnlyList<string>, string> choose, CancellationToken ct)
    {
        string? file = null;
        var address = source;
        if (!IsCapture(source))
        {
            var path = PathOf(source);
            file = path[(path.LastIndexOf('/') + 1)..];
            address = path[..^file.Length] + source[path.Length..];
        }
        var found = await CaptureSource.FindAsync(parsed, address, _cluster, _stores, parsed.GetValue(_fromSecret), world, ct);
        using var store = CaptureStores.Open(found.Storage, found.Credentials);
        try
        {
            var files = await FilesAsync(store, isNeeded: file is null, ct);
            file ??= choose([.. files!.Select(one => one.Name)]);
            var promised = files?.FirstOrDefault(one => one.Name == file);
            if (promised?.Bytes > MostBytes)
                throw new VerbException($"{store.Locate(file)} has {Quantity.ForPeople(promised.Bytes)}: fetch it, it is too much to be read at once");
            var content = await Reading.WholeAsync(store, file, promised is null ? MostBytes : (int)promised.Bytes, world.Time, ct);
            if (promised is null)
                world.Errors.WriteLine($"premortem: {Printable.Of(store.Locate(file), 1000)}: read without proof: no {Names.Manifest} beside it has its SHA-256");
            else if (Convert.ToHexStringLower(SHA256.HashData(content)) != promised.Sha256)
                throw new VerbException($"{store.Locate(file)}: its content is not what the manifest says (SHA-256 differs): it was changed or damaged in the store");
            return new MemoryStream(content, writable: false);
        }
        catch (ReadException e)
        {
            throw new VerbException(e.Message, inner: e);
        }
    }

    private async Task<IReadOnlyList<FileToFetch>?> FilesAsync(ICaptureStore store, bool isNeeded, CancellationToken ct)
    {
        try
        {
            var manifest = await Reading.WholeAsync(store, Names.Manifest, StoredCaptures.MostManifestBytes, world.Time, ct);
            return FetchPlan.Of(Manifest.Parse(manifest, store.Locate(Names.Manifest)), store.Locate(Names.Manifest));
        }
        catch (ReadException e) when (e.IsMissing)
        {
            return isNeeded
                ? throw new VerbException($"{store.Locate("")} is no capture that is whole: it has no {Names.Manifest}, which is stored last; name the file itself to read it all the same", inner: e)
                : null;
        }
    }

    private static bool EndsLikeFile(string name) => Array.Exists(s_extensions, extension => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase));

    private static string PathOf(string address) => address.IndexOf('?', StringComparison.Ordinal) is var mark and >= 0 ? address[..mark] : address;
}
