using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;
using Xunit;

namespace Premortem.Testing;

/// <summary>A bucket of a test's own on the real server, and what stands in it.</summary>
public sealed class TestBucket : IAsyncDisposable
{
    private TestBucket(S3Server server, string name)
    {
        Server = server;
        Name = name;
        Client = server.Client();
    }

    public S3Server Server { get; }

    public string Name { get; }

    public AmazonS3Client Client { get; }

    internal static async Task<TestBucket> CreateAsync(S3Server server)
    {
        var bucket = new TestBucket(server, $"premortem-test-{Guid.NewGuid():n}");
        await bucket.Client.PutBucketAsync(bucket.Name);
        return bucket;
    }

    public async Task<string[]> KeysAsync() =>
        [.. ((await Client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Name })).S3Objects ?? []).Select(item => item.Key)];

    public async Task<string[]> UnfinishedAsync() =>
        [.. ((await Client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Name })).MultipartUploads ?? []).Select(item => item.Key)];

    /// <summary>Reads an object back whole and compares it with a file, byte for byte: a right length proves nothing.</summary>
    public async Task AssertHoldsAsync(string key, string file)
    {
        using var response = await Client.GetObjectAsync(Name, key);
        await using var expected = File.OpenRead(file);
        var found = await SHA256.HashDataAsync(response.ResponseStream);
        Assert.Equal(Convert.ToHexStringLower(await SHA256.HashDataAsync(expected)), Convert.ToHexStringLower(found));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upload in (await Client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Name })).MultipartUploads ?? [])
            await Client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = Name, Key = upload.Key, UploadId = upload.UploadId });
        foreach (var key in await KeysAsync())
            await Client.DeleteObjectAsync(Name, key);
        await Client.DeleteBucketAsync(Name);
        Client.Dispose();
    }
}
