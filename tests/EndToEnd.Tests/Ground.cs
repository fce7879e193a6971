using Premortem.EndToEnd.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(Ground))]

namespace Premortem.EndToEnd.Tests;

/// <summary>What all stories of a run share: a cluster, a bucket, and Premortem installed from the chart.</summary>
public sealed class Ground : IAsyncLifetime
{
    public Cluster Cluster { get; private set; } = null!;

    public Bucket Bucket { get; private set; } = null!;

    public Release Release { get; private set; } = null!;

    /// <summary>Whether namespaces and the release stay after the run, to be looked at.</summary>
    public static bool Keep { get; } = Environment.GetEnvironmentVariable("E2E_KEEP") is { Length: > 0 };

    public async ValueTask InitializeAsync()
    {
        Cluster = await Cluster.ConnectAsync();
        Bucket = await Bucket.OpenAsync(Cluster);
        Release = new Release(Cluster);
        await Release.InstallAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Release is not null && !Keep)
            await Release.UninstallAsync();
        if (Bucket is not null)
            await Bucket.DisposeAsync();
        Cluster?.Dispose();
    }
}
