using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>Keeps on each pod what its sidecar last said of itself.</summary>
internal sealed class SidecarStatuses(ResourceApi<Pod> podApi, Func<ResourceKey, Pod?> pods)
{
    public const int MaxBytes = 4096;

    public async Task<ReportAnswer> TakeAsync(PodIdentity identity, SidecarStatus status, CancellationToken ct)
    {
        var text = Write(status);
        var pod = pods(identity.Key);
        if (pod?.Metadata.Uid == identity.Uid && pod.Metadata.Annotations?.GetValueOrDefault(Names.StatusAnnotation) == text)
            return ReportAnswer.Unchanged;
        // With its UID, so that it is never written onto a pod of the same name that came after it.
        var patch = new JsonObject
        {
            ["metadata"] = new JsonObject { ["uid"] = identity.Uid, ["annotations"] = new JsonObject { [Names.StatusAnnotation] = text } },
        };
        try
        {
            await podApi.PatchAsync(identity.Key, new ResourcePatch.Merge(patch), ct);
            return ReportAnswer.Taken;
        }
        catch (ApiException e) when (e.IsNotFound || e.IsConflict)
        {
            return ReportAnswer.Unauthenticated("the pod is deleted");
        }
    }

    /// <summary>One line of JSON of at most <see cref="MaxBytes"/>: what the pod has last goes first where it is too much.</summary>
    public static string Write(SidecarStatus status)
    {
        for (var targets = status.Targets.Count; ; targets--)
        {
            var text = JsonSerializer.Serialize(status with { Targets = [.. status.Targets.Take(targets)] }, RecordJson.Options);
            if (Encoding.UTF8.GetByteCount(text) <= MaxBytes || targets == 0)
                return text;
        }
    }

    /// <summary>What a pod's sidecar last said; null: nothing that can be read.</summary>
    public static SidecarStatus? Of(Pod pod)
    {
        try
        {
            return pod.Metadata.Annotations?.GetValueOrDefault(Names.StatusAnnotation) is { } text
                ? JsonSerializer.Deserialize<SidecarStatus>(text, RecordJson.Options)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
