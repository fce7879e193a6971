using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>One life of a container that the OOM killer ended.</summary>
/// <param name="ContainerId">The runtime's id of that life: it names the kill.</param>
/// <param name="StartedAt">When the life began; null: not known.</param>
internal sealed record OomKill(string Namespace, string Pod, string PodUid, string Container, string ContainerId, DateTimeOffset? StartedAt, DateTimeOffset FinishedAt)
{
    public ResourceKey PodKey => new(Namespace, Pod);

    /// <summary>How it stands in the pod's annotation.</summary>
    public string Mark => RecordText.Hash(ContainerId);

    /// <summary>The name of the record that stands for it where there is no capture.</summary>
    public string PlaceholderName => RecordText.ObjectName($"{Pod}-{Container}", $"oom-{Mark}");
}
