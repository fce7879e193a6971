using System.Net;
using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Credentials for S3: those of a mounted Secret where its folder is named, else the SDK's default chain (environment, web identity,
/// container, instance). A mounted Secret is read anew for every request, so that a rotated one is taken up without a restart.
/// </summary>
/// <param name="folder">Holds the files <c>accessKeyId</c>, <c>secretAccessKey</c> and perhaps <c>sessionToken</c>; null: the default chain.</param>
/// <param name="patience">How long the default chain may look.</param>
internal sealed class S3Credentials(string? folder, TimeSpan patience, IClientConfig? config = null) : AWSCredentials
{
    private volatile AWSCredentials? _found;

    // The SDK looks for the client of its web identity (IRSA) by reflection, which finds nothing in a native program.
    static S3Credentials() => GlobalRuntimeDependencyRegistry.Instance.RegisterSecurityTokenServiceClient(
        context => new AmazonSecurityTokenServiceClient(
            new AnonymousAWSCredentials(),
            context.SecurityTokenServiceClientContextData?.Region ?? RegionEndpoint.USEast1));

    public override ImmutableCredentials GetCredentials() => GetCredentialsAsync().GetAwaiter().GetResult();

    public override Task<ImmutableCredentials> GetCredentialsAsync() => folder is null ? FromChainAsync() : Task.FromResult(FromFolder(folder));

    private static ImmutableCredentials FromFolder(string folder)
    {
        // The kubelet exchanges all files at once, but between two reads of ours: only what was read twice alike belongs together.
        var last = Read(folder);
        for (var attempt = 0; attempt < 10; attempt++)
        {
            var again = Read(folder);
            if (again == last)
                return new ImmutableCredentials(last.AccessKey, last.SecretKey, last.Token);
            last = again;
        }
        throw new StoreException(Reasons.AccessDenied, $"the S3 credentials in '{folder}' change all the time", isTransient: true);
    }

    private static (string AccessKey, string SecretKey, string? Token) Read(string folder) =>
        (Required(folder, "accessKeyId"), Required(folder, "secretAccessKey"), ReadFile(folder, "sessionToken"));

    private static string Required(string folder, string name) =>
        ReadFile(folder, name)
        ?? throw new StoreException(
            Reasons.AccessDenied,
            $"no S3 credentials: the file '{name}' in '{folder}' is missing or empty; the Secret needs the keys accessKeyId and secretAccessKey",
            isTransient: false);

    private static string? ReadFile(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            // A Secret made from a file often ends with a line's end, which is no part of any key.
            var text = File.ReadAllText(path).Trim();
            return text.Length == 0 ? null : text;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(Reasons.AccessDenied, $"the S3 credentials in '{path}' cannot be read: {e.Message}", isTransient: false, e);
        }
    }

    private async Task<ImmutableCredentials> FromChainAsync()
    {
        try
        {
            // On a thread of its own: parts of the chain wait for the network without being asynchronous.
            return await Task.Run(AskChainAsync).WaitAsync(patience, TimeProvider.System);
        }
        catch (AmazonClientException e) when (e.InnerException is AmazonServiceException refused)
        {
            throw new StoreException(
                Reasons.AccessDenied,
                $"the pod's role cannot be assumed ({(int)refused.StatusCode} {refused.ErrorCode}): check the role's trust policy and the service account's annotation",
                isTransient: refused.StatusCode is 0 or >= HttpStatusCode.InternalServerError,
                e);
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException or TimeoutException or InvalidOperationException)
        {
            throw new StoreException(
                Reasons.AccessDenied,
                "no S3 credentials found: name a Secret in spec.storage.s3.credentialsSecret, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                + " or give the pod an identity (looked into the environment, the shared credentials file, web identity, container and instance metadata)",
                // An identity's endpoint may only be late; that nothing was found by an answer is final.
                isTransient: e is TimeoutException,
                e);
        }
    }

    private async Task<ImmutableCredentials> AskChainAsync()
    {
        // Kept, because they renew themselves before they expire.
        _found ??= await new DefaultAWSCredentialsIdentityResolver().ResolveIdentityAsync(config);
        return await _found.GetCredentialsAsync();
    }
}
