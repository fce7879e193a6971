namespace Premortem.Contracts.Policies;

/// <summary>Where captures are stored; exactly one kind.</summary>
public abstract record Storage;

/// <param name="Path">An absolute path: a mounted volume in a pod, any folder on a host.</param>
public sealed record DirectoryStorage(string Path) : Storage;

/// <summary>An S3 bucket. Without <see cref="Endpoint"/> it is AWS's own; without credentials, the default chain's.</summary>
public sealed record S3Storage(string Bucket) : Storage
{
    /// <summary>What every key starts with, without slashes at its ends; may be empty.</summary>
    public string Prefix { get; init; } = "";

    public string? Region { get; init; }

    public Uri? Endpoint { get; init; }

    public bool ForcePathStyle { get; init; }

    /// <summary>The name of a Secret in the pod's namespace, mounted or given as environment variables.</summary>
    public string? CredentialsSecret { get; init; }

    public ServerSideEncryption? ServerSideEncryption { get; init; }
}

/// <param name="Type"><c>AES256</c>, <c>aws:kms</c> or <c>aws:kms:dsse</c>.</param>
/// <param name="KmsKeyId">The key, for the KMS types; null: the bucket's own.</param>
public sealed record ServerSideEncryption(string Type, string? KmsKeyId);
