using System.Globalization;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>
/// The bucket that all stories store in, each below a prefix of its own: on the server of S3_ENDPOINT (with S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY,
/// S3_REGION, and S3_BUCKET, which is made where it is missing), else on that of the tests. Pods reach it through a proxy in this process that can be
/// broken, where they reach this machine and the server speaks plain HTTP; else directly, at S3_POD_ENDPOINT where that differs.
/// </summary>
public sealed class Bucket : IAsyncDisposable
{
    private readonly FaultProxy? _proxy;
    private readonly bool _isMade;

    private Bucket(string name, string region, string accessKey, string secretKey, AmazonS3Client client, Uri podEndpoint, FaultProxy? proxy, bool isMade)
    {
        Name = name;
        Region = region;
        AccessKey = accessKey;
        SecretKey = secretKey;
        Client = client;
        PodEndpoint = podEndpoint;
        _proxy = proxy;
        _isMade = isMade;
    }

    public string Name { get; }

    public string Region { get; }

    public string AccessKey { get; }

    public string SecretKey { get; }

    public AmazonS3Client Client { get; }

    /// <summary>The server, as pods reach it.</summary>
    public Uri PodEndpoint { get; }

    /// <summary>What stands between the pods and the server; skips the test where nothing does.</summary>
    public FaultProxy Proxy
    {
        get
        {
            if (_proxy is null)
                Assert.Skip("this story breaks the way to the S3 server, and pods reach the server without this machine: set E2E_ADDRESS to this machine's address as pods see it, and S3_ENDPOINT to http");
            return _proxy;
        }
    }

    public static async Task<Bucket> OpenAsync(Cluster cluster)
    {
        Uri endpoint;
        string accessKey, secretKey, region = Variable("S3_REGION") ?? S3Server.Region;
        if (Variable("S3_ENDPOINT") is { } given)
        {
            endpoint = new Uri(given);
            accessKey = Variable("S3_ACCESS_KEY_ID") ?? Variable("AWS_ACCESS_KEY_ID") ?? Missing("S3_ACCESS_KEY_ID");
            secretKey = Variable("S3_SECRET_ACCESS_KEY") ?? Variable("AWS_SECRET_ACCESS_KEY") ?? Missing("S3_SECRET_ACCESS_KEY");
        }
        else
        {
            var server = await S3Server.GetAsync();
            (endpoint, accessKey, secretKey) = (server.Endpoint, server.AccessKey, server.SecretKey);
        }
        var client = new AmazonS3Client(
            new BasicAWSCredentials(accessKey, secretKey),
            new AmazonS3Config { ServiceURL = endpoint.AbsoluteUri, ForcePathStyle = true, AuthenticationRegion = region });
        var name = Variable("S3_BUCKET") ?? $"premortem-e2e-{Guid.NewGuid():n}"[..30];
        var isMade = !((await client.ListBucketsAsync()).Buckets ?? []).Any(bucket => bucket.BucketName == name);
        if (isMade)
            await client.PutBucketAsync(name);
        var proxy = cluster.Machine is { } machine && endpoint.Scheme == "http" ? FaultProxy.Before(endpoint, machine) : null;
        return new Bucket(name, region, accessKey, secretKey, client, proxy?.Endpoint ?? new Uri(Variable("S3_POD_ENDPOINT") ?? endpoint.AbsoluteUri), proxy, isMade);

        static string? Variable(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;
        static string Missing(string variable) => throw new InvalidOperationException($"S3_ENDPOINT is set, but {variable} is not");
    }

    public async Task<IReadOnlyList<S3Object>> ListAsync(string prefix)
    {
        var found = new List<S3Object>();
        var request = new ListObjectsV2Request { BucketName = Name, Prefix = prefix };
        while (true)
        {
            var page = await Client.ListObjectsV2Async(request);
            found.AddRange(page.S3Objects ?? []);
            if (page.IsTruncated != true)
                return found;
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    /// <summary>Brings every whole capture below a prefix into a folder.</summary>
    public async Task<IReadOnlyList<StoredCapture>> DownloadAsync(string prefix, string folder)
    {
        var objects = await ListAsync(prefix);
        var whole = objects.Where(item => item.Key.EndsWith('/' + Names.Manifest, StringComparison.Ordinal))
            .Select(item => item.Key[..^Names.Manifest.Length])
            .ToList();
        foreach (var item in objects.Where(item => whole.Exists(capture => item.Key.StartsWith(capture, StringComparison.Ordinal))))
        {
            var path = Path.Combine(folder, item.Key);
            if (File.Exists(path))
                continue;
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var answer = await Client.GetObjectAsync(Name, item.Key);
            await answer.WriteResponseStreamToFileAsync(path + ".part", append: false, CancellationToken.None);
            File.Move(path + ".part", path);
        }
        return StoredCapture.In(folder);
    }

    public async Task DeleteAsync(string prefix)
    {
        foreach (var item in await ListAsync(prefix))
            await Client.DeleteObjectAsync(Name, item.Key);
    }

    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
            await _proxy.DisposeAsync();
        if (_isMade && !Ground.Keep)
        {
            await DeleteAsync("");
            await Client.DeleteBucketAsync(Name);
        }
        Client.Dispose();
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Name} at {PodEndpoint}");
}
