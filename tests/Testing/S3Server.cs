using Amazon.Runtime;
using Amazon.S3;

namespace Premortem.Testing;

/// <summary>
/// A real S3 server: the one that TEST_S3_ENDPOINT and the AWS variables name, else that of <c>tests/s3/s3</c>, started where it does not run
/// yet. Others may be using it, and it takes a while to install: it is left running, and <c>tests/s3/s3 down</c> stops it.
/// </summary>
public sealed class S3Server
{
    public const string Region = "us-east-1";

    // The script knows a key by this name.
    public const string KmsKey = "test-key";

    private static readonly Lazy<Task<S3Server>> s_server = new(FindAsync);

    private S3Server(Uri endpoint, string accessKey, string secretKey, bool isOurs)
    {
        Endpoint = endpoint;
        AccessKey = accessKey;
        SecretKey = secretKey;
        IsOurs = isOurs;
    }

    public Uri Endpoint { get; }

    public string AccessKey { get; }

    public string SecretKey { get; }

    /// <summary>Whether it is the script's, whose abilities are known: a KMS key, and no other encryption.</summary>
    public bool IsOurs { get; }

    public static Task<S3Server> GetAsync() => s_server.Value;

    /// <summary>A fresh bucket, gone with everything in it when it is disposed of.</summary>
    public static async Task<TestBucket> NewBucketAsync() => await TestBucket.CreateAsync(await GetAsync());

    /// <summary>A client with the server's own credentials: to look at what a test has done.</summary>
    public AmazonS3Client Client() => new(
        new BasicAWSCredentials(AccessKey, SecretKey),
        new AmazonS3Config { ServiceURL = Endpoint.AbsoluteUri, ForcePathStyle = true, AuthenticationRegion = Region });

    private static async Task<S3Server> FindAsync()
    {
        if (Environment.GetEnvironmentVariable("TEST_S3_ENDPOINT") is { Length: > 0 } endpoint)
            return new S3Server(new Uri(endpoint), Variable("AWS_ACCESS_KEY_ID"), Variable("AWS_SECRET_ACCESS_KEY"), isOurs: false);
        Need.Part(
            OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess,
            "an S3 server: tests/s3/s3 needs root on Debian; else set TEST_S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        // The script locks: test runs that start together wait for one server.
        var (exitCode, output) = await ChildProcess.RunAsync(Repository.Path("tests", "s3", "s3"), ["up"], timeout: TimeSpan.FromMinutes(10));
        Need.Part(exitCode == 0, $"an S3 server: {output}");
        return new S3Server(new Uri(Exported(output, "TEST_S3_ENDPOINT")), Exported(output, "AWS_ACCESS_KEY_ID"), Exported(output, "AWS_SECRET_ACCESS_KEY"), isOurs: true);
    }

    private static string Variable(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        Need.Part(!string.IsNullOrEmpty(value), $"TEST_S3_ENDPOINT is set, but {name} is not");
        return value!;
    }

    private static string Exported(string output, string name) =>
        output.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).First(word => word.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];
}
