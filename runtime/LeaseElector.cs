using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// One of several replicas leads, by a Lease. The lead ends before anybody else can take it over: on a clock of this program alone, and its
/// token is cancelled then. A graceful stop gives the lease away.
/// </summary>
public sealed class LeaseElector(IKubernetes client, LeaseOptions options, TimeProvider time, ILogger log)
{
    public bool IsLeader => throw new NotImplementedException($"{client} {options} {time} {log}");

    /// <summary>Who leads, as far as this one knows.</summary>
    public string? Leader => throw new NotImplementedException();

    /// <summary>
    /// Until it is cancelled, or until <paramref name="lead"/> has ended. <paramref name="lead"/> runs while this one leads; its token is cancelled when the lead is lost,
    /// and then this method throws <see cref="LeadershipLostException"/>: the process is to end and to start anew.
    /// </summary>
    public Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken ct) => throw new NotImplementedException();
}

/// <param name="Identity">Names this replica: the pod's name and something unique.</param>
public sealed record LeaseOptions(string Namespace, string Name, string Identity)
{
    /// <summary>How long a lease holds that is not renewed.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long renewing may fail until the lead is given up; less than <see cref="Duration"/>.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);
}

public sealed class LeadershipLostException(string message) : Exception(message);
