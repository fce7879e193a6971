using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;

namespace Premortem.Cli.Stores;

/// <summary>Captures in an S3 bucket, of AWS or another server.</summary>
internal sealed class BucketStore : ICaptureStore
{
    // A server that says there is always more would be listed for ever.
    private const int MostPages = 10_000;

    private readonly S3Storage _storage;
    private readonly S3Connection _connection;
    private readonly AmazonS3Client _client;

    internal BucketStore(S3Storage storage, AWSCredentials? credentials)
    {
        _storage = storage;
        _connection = new S3Connection(handler: null, new S3Limits());
        _client = new AmazonS3Client(credentials ?? new UserCredentials(), _connection.Configure(storage));
    }

    public string Locate(string key) => $"s3://{_storage.Bucket}/{ObjectPath.Join(_storage.Prefix, key)}";

    public async IAsyncEnumerable<string> FindManifestsAsync(string folder, [EnumeratorCancellation] CancellationToken ct)
    {
        var prefix = ObjectPath.Join(_storage.Prefix, folder);
        if (prefix.Length > 0 && !prefix.EndsWith('/'))
            prefix += "/";
        var own = _storage.Prefix.Trim('/') is { Length: > 0 } trimmed ? trimmed.Length + 1 : 0;
        var request = new ListObjectsV2Request { BucketName = _storage.Bucket, Prefix = prefix };
        for (var page = 0; page < MostPages; page++)
        {
            var listed = await PageAsync(request, ct);
            foreach (var item in listed.S3Objects ?? [])
                if (item.Key is { } key && key.Length > own && key.EndsWith("/" + Names.Manifest, StringComparison.Ordinal))
                    yield return key[own..];
            if (listed.IsTruncated != true || string.IsNullOrEmpty(listed.NextContinuationToken))
                yield break;
            request.ContinuationToken = listed.NextContinuationToken;
        }
        throw new ReadException($"{Locate("")} holds more than can be listed: choose a namespace with -n, or a longer prefix", isTransient: false);
    }

    public async Task<StoredContent> OpenAsync(string key, long from, CancellationToken ct)
    {
        try
        {
            var request = new GetObjectRequest { BucketName = _storage.Bucket, Key = ObjectPath.Join(_storage.Prefix, key) };
            if (from > 0)
                request.ByteRange = new ByteRange($"bytes={from}-");
            var response = await _client.GetObjectAsync(request, ct);
            return new StoredContent(response.ResponseStream, response.HttpStatusCode == HttpStatusCode.PartialContent ? from : 0, response);
        }
        catch (Exception e)
        {
            ct.ThrowIfCancellationRequested();
            throw Explain(key, e);
        }
    }

    public ReadException Explain(string key, Exception error) => BucketFailure.Explain(Locate(key), _storage, error);

    public void Dispose()
    {
        _client.Dispose();
        _connection.Dispose();
    }

    private async Task<ListObjectsV2Response> PageAsync(ListObjectsV2Request request, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await _client.ListObjectsV2Async(request, ct);
            }
            catch (Exception e)
            {
                ct.ThrowIfCancellationRequested();
                var failure = Explain("", e);
                if (!failure.IsTransient || attempt >= Reading.Attempts)
                    throw failure;
            }
            await Reading.PauseAsync(attempt, TimeProvider.System, ct);
        }
    }
}
