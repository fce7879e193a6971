using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>What an event can be about.</summary>
internal static class References
{
    public static ObjectReference To(Pod pod) => To(Pod.Type, pod.Metadata);

    public static ObjectReference To(ProfileCapture capture) => To(ProfileCapture.Type, capture.Metadata);

    public static ObjectReference To(PolicyView policy) =>
        new(PolicyResource.Type.ApiVersion, policy.Kind, policy.Namespace, policy.Name, policy.Uid);

    private static ObjectReference To(ResourceType type, ObjectMeta metadata) =>
        new(type.ApiVersion, type.Kind, metadata.Namespace, metadata.Name, metadata.Uid);
}
