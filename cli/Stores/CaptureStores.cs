using Amazon.Runtime;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Stores;

/// <summary>Opens the store at an address.</summary>
internal static class CaptureStores
{
    /// <summary>Opens it without touching it.</summary>
    /// <param name="credentials">For a bucket; null: what the AWS SDK finds.</param>
    internal static ICaptureStore Open(Storage storage, AWSCredentials? credentials = null) => storage switch
    {
        DirectoryStorage directory => new FolderStore(directory.Path),
        S3Storage s3 => new BucketStore(s3, credentials),
        _ => throw new ArgumentException($"no store for {storage.GetType().Name}", nameof(storage)),
    };
}
