using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Stores into an S3 bucket, of AWS or another server. Bodies are read from the file as they are sent; every body is sent with its hashes for the
/// server to check, and what the server says it holds is compared.
/// </summary>
internal sealed class S3Store : IArtifactStore
{
    private const int MostParts = 10_000;
    private const string Sha256Header = "X-Amz-Content-SHA256";

    private readonly S3Storage _storage;
    private readonly S3Limits _limits;
    private readonly TimeProvider _time;
    private readonly S3Connection _connection;
    private readonly AmazonS3Client _client;
    private readonly string _where;

    // By request, for a part's request has no headers of its own, and the SDK knows requests by their very type.
    private readonly ConditionalWeakTable<AmazonWebServiceRequest, string> _knownHashes = [];

    /// <param name="credentialsFolder">Where a Secret is mounted; null: the default chain.</param>
    /// <param name="handler">Takes the requests instead of the network; the store disposes of it.</param>
    internal S3Store(S3Storage storage, string? credentialsFolder, TimeProvider time, S3Limits? limits = null, HttpMessageHandler? handler = null)
    {
        _storage = storage;
        _limits = limits ?? new S3Limits();
        _time = time;
        _connection = new S3Connection(handler, _limits);
        var config = _connection.Configure(storage);
        _client = new AmazonS3Client(new S3Credentials(credentialsFolder, _limits.FindCredentials, config), config);
        _client.BeforeRequestEvent += SendKnownHash;
        _where = $"bucket '{storage.Bucket}' {(storage.Endpoint is { } at ? $"at {at.Scheme}://{at.Authority}" : $"of AWS {config.RegionEndpoint?.SystemName}")}";
    }

    public string Locate(string key) => $"s3://{_storage.Bucket}/{ObjectPath.Join(_storage.Prefix, key)}";

    public async Task PutAsync(string key, string file, string sha256, CancellationToken ct)
    {
        var objectKey = ObjectPath.Join(_storage.Prefix, key);
        using var content = SpoolFile.Open(file);
        var length = RandomAccess.GetLength(content);
        if (length <= _limits.SinglePutBytes)
            await PutWholeAsync(objectKey, content, length, sha256, ct);
        else
            await PutPartsAsync(objectKey, content, length, sha256, ct);
    }

    public async Task AbandonUnfinishedAsync(string folder, CancellationToken ct)
    {
        var request = new ListMultipartUploadsRequest { BucketName = _storage.Bucket, Prefix = ObjectPath.Join(_storage.Prefix, folder) };
        while (true)
        {
            var page = await TryAsync("list the unfinished uploads of", guard => _client.ListMultipartUploadsAsync(request, guard.Token), _limits.Stall, ct);
            foreach (var upload in page.MultipartUploads ?? [])
                await AbortAsync(upload.Key, upload.UploadId, ct);
            if (page.IsTruncated != true)
                return;
            request.KeyMarker = page.NextKeyMarker;
            request.UploadIdMarker = page.NextUploadIdMarker;
        }
    }

    /// <summary>
    /// Begins a multipart upload and aborts it: that takes the very permissions of an upload (and those of the KMS key), makes no
    /// object, not even a version of one, and needs no permission to delete.
    /// </summary>
    public async Task CheckAsync(CancellationToken ct)
    {
        var key = ObjectPath.Join(_storage.Prefix, $".premortem-check-{Path.GetRandomFileName()}");
        var upload = await StartAsync(key, sha256: null, ct);
        await AbortAsync(key, upload, ct);
    }

    public void Dispose()
    {
        _client.Dispose();
        _connection.Dispose();
    }

    private static bool IsKms(ServerSideEncryptionMethod? method) =>
        method is not null && method.Value.StartsWith("aws:kms", StringComparison.Ordinal);

    private static void ExpectCaptured(string sha256, string found, string key)
    {
        if (!string.Equals(sha256, found, StringComparison.OrdinalIgnoreCase))
            throw new StoreException(Reasons.ContentMismatch, $"the spooled file for {key} is no longer what was captured", isTransient: false);
    }

    // The SDK would read the body once more to hash it; the hash is known, and goes into the signature.
    private void SendKnownHash(object sender, RequestEventArgs e)
    {
        if (e is WebServiceRequestEventArgs request && _knownHashes.TryGetValue(request.Request, out var sha256))
            request.Headers[Sha256Header] = sha256;
    }

    private async Task PutWholeAsync(string key, SafeFileHandle content, long length, string sha256, CancellationToken ct)
    {
        var hash = SectionHash.Of(content, 0, length, whole: null, ct);
        ExpectCaptured(sha256, hash.Sha256, key);
        var response = await TryAsync(
            "put an object into",
            guard =>
            {
                var request = new PutObjectRequest
                {
                    BucketName = _storage.Bucket,
                    Key = key,
                    InputStream = new FileSection(content, 0, length, guard.Progress),
                    MD5Digest = hash.ContentMd5,
                    UseChunkEncoding = false,
                    ContentType = ContentType(key),
                    ServerSideEncryptionMethod = Encryption(),
                    ServerSideEncryptionKeyManagementServiceKeyId = _storage.ServerSideEncryption?.KmsKeyId,
                    Metadata = { ["sha256"] = sha256 },
                };
                _knownHashes.Add(request, hash.Sha256);
                return _client.PutObjectAsync(request, guard.Token);
            },
            _limits.Stall,
            ct);
        DiskSync.DropPageCache(content, 0, length);
        if (EntityTag.Contradicts(response.ETag, hash.Md5, IsKms(response.ServerSideEncryptionMethod))
            || (response.ChecksumSHA256 is { Length: > 0 } stored && stored != Convert.ToBase64String(Convert.FromHexString(hash.Sha256))))
        {
            await RemoveAsync(key);
            throw Mismatch(key);
        }
    }

    private async Task PutPartsAsync(string key, SafeFileHandle content, long length, string sha256, CancellationToken ct)
    {
        var upload = await StartAsync(key, sha256, ct);
        var completed = false;
        try
        {
            var parts = await SendPartsAsync(key, upload, content, length, sha256, ct);
            var response = await TryAsync(
                "complete an upload into",
                guard => _client.CompleteMultipartUploadAsync(
                    new CompleteMultipartUploadRequest
                    {
                        BucketName = _storage.Bucket,
                        Key = key,
                        UploadId = upload,
                        PartETags = [.. parts.Select((part, i) => new PartETag(i + 1, part.ETag))],
                    },
                    guard.Token),
                _limits.CompletionStall,
                ct);
            completed = true;
            if (EntityTag.ContradictsParts(response.ETag, [.. parts.Select(part => part.Md5)], IsKms(response.ServerSideEncryptionMethod)))
            {
                await RemoveAsync(key);
                throw Mismatch(key);
            }
        }
        finally
        {
            if (!completed)
                await TidyAsync(token => AbortAsync(key, upload, token));
        }
    }

    private async Task<string> StartAsync(string key, string? sha256, CancellationToken ct)
    {
        var request = new InitiateMultipartUploadRequest
        {
            BucketName = _storage.Bucket,
            Key = key,
            ContentType = ContentType(key),
            ServerSideEncryptionMethod = Encryption(),
            ServerSideEncryptionKeyManagementServiceKeyId = _storage.ServerSideEncryption?.KmsKeyId,
        };
        if (sha256 is not null)
            request.Metadata["sha256"] = sha256;
        var response = await TryAsync("write to", guard => _client.InitiateMultipartUploadAsync(request, guard.Token), _limits.Stall, ct);
        return response.UploadId;
    }

    private async Task<SentPart[]> SendPartsAsync(string key, string upload, SafeFileHandle content, long length, string sha256, CancellationToken ct)
    {
        var partBytes = PartBytes(length);
        var sent = new SentPart[(length + partBytes - 1) / partBytes];
        using var whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var gate = new SemaphoreSlim(_limits.PartsInFlight);
        var sending = new List<Task>(sent.Length);
        try
        {
            // Hashing runs ahead of sending by one part, in order, so that the whole is hashed on the way.
            for (var i = 0; i < sent.Length; i++)
            {
                var (number, offset) = (i + 1, i * partBytes);
                var bytes = Math.Min(partBytes, length - offset);
                var hash = await Task.Run(() => SectionHash.Of(content, offset, bytes, whole, failed.Token), failed.Token);
                await gate.WaitAsync(failed.Token);
                sending.Add(SendAsync(number, offset, bytes, hash));
            }
            await Task.WhenAll(sending);
        }
        catch (OperationCanceledException) when (failed.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            // A part failed: its error says why, not the cancellation of the others.
        }
        finally
        {
            // Nothing may be on its way any more when the upload is aborted.
            await failed.CancelAsync();
            await Task.WhenAll(sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        ct.ThrowIfCancellationRequested();
        if (sending.FirstOrDefault(part => part.IsFaulted) is { } broken)
            await broken;
        ExpectCaptured(sha256, Convert.ToHexStringLower(whole.GetHashAndReset()), key);
        return sent;

        async Task SendAsync(int number, long offset, long bytes, SectionHash hash)
        {
            try
            {
                sent[number - 1] = await SendPartAsync(key, upload, content, number, offset, bytes, hash, failed.Token);
            }
            catch
            {
                await failed.CancelAsync();
                throw;
            }
            finally
            {
                gate.Release();
            }
        }
    }

    private async Task<SentPart> SendPartAsync(
        string key, string upload, SafeFileHandle content, int number, long offset, long bytes, SectionHash hash, CancellationToken ct)
    {
        var response = await TryAsync(
            $"upload part {number} into",
            async guard =>
            {
                var request = new UploadPartRequest
                {
                    BucketName = _storage.Bucket,
                    Key = key,
                    UploadId = upload,
                    PartNumber = number,
                    PartSize = bytes,
                    InputStream = new FileSection(content, offset, bytes, guard.Progress),
                    MD5Digest = hash.ContentMd5,
                    UseChunkEncoding = false,
                };
                _knownHashes.Add(request, hash.Sha256);
                var answer = await _client.UploadPartAsync(request, guard.Token);
                // Inside the attempt: a part that arrived wrong is simply sent again.
                return EntityTag.Contradicts(answer.ETag, hash.Md5, IsKms(answer.ServerSideEncryptionMethod)) ? throw Mismatch(key) : answer;
            },
            _limits.Stall,
            ct);
        DiskSync.DropPageCache(content, offset, bytes);
        return new SentPart(response.ETag, hash.Md5);
    }

    private async Task AbortAsync(string key, string upload, CancellationToken ct)
    {
        try
        {
            await TryAsync(
                "abort an upload into",
                guard => _client.AbortMultipartUploadAsync(
                    new AbortMultipartUploadRequest { BucketName = _storage.Bucket, Key = key, UploadId = upload }, guard.Token),
                _limits.Stall,
                ct);
        }
        catch (StoreException e) when (e.InnerException is AmazonS3Exception { ErrorCode: "NoSuchUpload" })
        {
            // That is what was wanted.
        }
    }

    private Task RemoveAsync(string key) =>
        TidyAsync(token => TryAsync(
            "delete from",
            guard => _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = _storage.Bucket, Key = key }, guard.Token),
            _limits.Stall,
            token));

    // On a token of its own, for the caller's may be why there is something to tidy. An error is on its way up already; what stays behind, the next
    // AbandonUnfinishedAsync finds.
    private async Task TidyAsync(Func<CancellationToken, Task> tidy)
    {
        using var deadline = new CancellationTokenSource(_limits.CleanUp, _time);
        try
        {
            await tidy(deadline.Token);
        }
        catch (Exception e) when (e is StoreException or OperationCanceledException)
        {
        }
    }

    private async Task<T> TryAsync<T>(string action, Func<StallGuard, Task<T>> send, TimeSpan stall, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var guard = new StallGuard(stall, _limits.SlowestBytesPerSecond, _time, ct);
            try
            {
                return await send(guard);
            }
            catch (Exception e)
            {
                ct.ThrowIfCancellationRequested();
                var failure = S3Failure.Explain(action, _where, e);
                if (!failure.IsTransient || attempt >= _limits.Attempts)
                {
                    if (ReferenceEquals(failure, e))
                        throw;
                    throw failure;
                }
            }
            await Task.Delay(Pause(attempt), _time, ct);
        }
    }

    private TimeSpan Pause(int attempt)
    {
        var longest = Math.Min(_limits.FirstPause.TotalMilliseconds * Math.Pow(2, attempt - 1), _limits.LongestPause.TotalMilliseconds);
        // Sidecars that lost the same server at the same moment must not come back at the same moment.
#pragma warning disable CA5394
        return TimeSpan.FromMilliseconds(longest * (0.5 + (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }

    private long PartBytes(long length)
    {
        const long mebi = 1024 * 1024;
        var least = (length + MostParts - 1) / MostParts;
        return Math.Max(_limits.PartBytes, (least + mebi - 1) / mebi * mebi);
    }

    private ServerSideEncryptionMethod? Encryption() =>
        _storage.ServerSideEncryption is { } encryption ? ServerSideEncryptionMethod.FindValue(encryption.Type) : null;

    private StoreException Mismatch(string key) =>
        new(Reasons.ContentMismatch, $"cannot trust {_where}: what it says it holds for '{key}' is not what was sent", isTransient: true);

    // So that a report opens in a browser instead of being downloaded.
    private static string ContentType(string key) => Path.GetExtension(key) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".json" => "application/json",
        ".csv" => "text/csv; charset=utf-8",
        ".gz" => "application/gzip",
        ".zst" => "application/zstd",
        _ => "application/octet-stream",
    };

    private readonly record struct SentPart(string ETag, byte[] Md5);
}
