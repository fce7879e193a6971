using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;

namespace Premortem.Cli.Stores;

/// <summary>What the AWS SDK finds on the user's machine: environment, profile, web identity, the machine's own.</summary>
internal sealed class UserCredentials : AWSCredentials
{
    // A machine without a metadata service answers nothing at all.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly Lazy<Task<AWSCredentials>> _found = new(() => Task.Run(() => new DefaultAWSCredentialsIdentityResolver().ResolveIdentityAsync(null)));

    // The SDK looks for the client that assumes roles by reflection, which finds nothing in a native program.
    static UserCredentials() => GlobalRuntimeDependencyRegistry.Instance.RegisterSecurityTokenServiceClient(
        context => new AmazonSecurityTokenServiceClient(
            new AnonymousAWSCredentials(),
            context.SecurityTokenServiceClientContextData?.Region ?? RegionEndpoint.USEast1));

    public override ImmutableCredentials GetCredentials() => GetCredentialsAsync().GetAwaiter().GetResult();

    public override async Task<ImmutableCredentials> GetCredentialsAsync()
    {
        try
        {
            var found = await _found.Value.WaitAsync(s_patience, TimeProvider.System);
            return await found.GetCredentialsAsync();
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException or TimeoutException or InvalidOperationException)
        {
            throw new ReadException(
                "no S3 credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE;"
                + " those of a single sign-on come with: eval \"$(aws configure export-credentials --format env)\"",
                isTransient: false,
                inner: e);
        }
    }
}
