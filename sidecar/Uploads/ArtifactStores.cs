using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Uploads;

/// <summary>Opens the store that a policy names.</summary>
internal static class ArtifactStores
{
    /// <summary>Opens it without touching it: <see cref="IArtifactStore.CheckAsync"/> does.</summary>
    internal static IArtifactStore Open(Storage storage, TimeProvider time) => storage switch
    {
        DirectoryStorage directory => new DirectoryStore(directory),
        S3Storage s3 => new S3Store(s3, Environment.GetEnvironmentVariable(Names.S3CredentialsVariable) is { Length: > 0 } folder ? folder : null, time),
        _ => throw new ArgumentException($"no store for {storage.GetType().Name}", nameof(storage)),
    };
}
