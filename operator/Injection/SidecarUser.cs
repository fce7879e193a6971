using System.Globalization;
using System.Text.Json.Nodes;

namespace Premortem.Operator.Injection;

/// <summary>
/// Whom the sidecar runs as. The kernel shows a process's memory, environment and files to its own user and group alone, and the sidecar
/// asks for no capability that would lift this: so it is the first watched container's user.
/// </summary>
internal static class SidecarUser
{
    /// <summary>A <c>securityContext</c> that passes the restricted Pod Security Standard wherever the target's does.</summary>
    public static JsonObject SecurityContext(PodView pod, ContainerView target)
    {
        var own = target.Fields.Child("securityContext");
        var ofPod = pod.Spec.Child("securityContext");
        var (user, group) = (Number(own, ofPod, "runAsUser"), Number(own, ofPod, "runAsGroup"));
        var mayBeRoot = !IsNonRoot(pod, target);
        if (user is null && mayBeRoot)
            // An image without a user of its own runs as root.
            (user, group) = (0, group ?? 0);
        var context = new JsonObject
        {
            ["allowPrivilegeEscalation"] = false,
            ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") },
            ["readOnlyRootFilesystem"] = true,
        };
        // Without a number, the user of the sidecar's own image: 65532.
        if (user is { } uid)
            context["runAsUser"] = uid;
        if (group is { } gid)
            context["runAsGroup"] = gid;
        if (user != 0)
            context["runAsNonRoot"] = true;
        else if (mayBeRoot && ofPod?.Flag("runAsNonRoot") == true)
            context["runAsNonRoot"] = false;
        context["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" };
        if (own?.Child("seLinuxOptions") is { } label)
            context["seLinuxOptions"] = label.Object.DeepClone();
        return context;
    }

    public static void Warn(PodView pod, IReadOnlyList<WatchedContainer> watched, List<string> warnings)
    {
        var first = watched[0].Container;
        if (UserOf(pod, first) is null && IsNonRoot(pod, first))
            warnings.Add($"container {first.Name} runs as a user that only its image names: set securityContext.runAsUser, so that the sidecar can be the same one and see its memory best");
        foreach (var other in watched.Skip(1))
            if (UserOf(pod, other.Container) != UserOf(pod, first))
                warnings.Add($"container {other.Name} runs as {Shown(UserOf(pod, other.Container))}, the sidecar as {first.Name} does ({Shown(UserOf(pod, first))}): of {other.Name} it sees less");
    }

    private static string Shown(long? user) => user is { } uid ? "user " + uid.ToString(CultureInfo.InvariantCulture) : "its image's user";

    private static long? UserOf(PodView pod, ContainerView target) => Number(target.Fields.Child("securityContext"), pod.Spec.Child("securityContext"), "runAsUser");

    private static bool IsNonRoot(PodView pod, ContainerView target) =>
        (target.Fields.Child("securityContext")?.Flag("runAsNonRoot") ?? pod.Spec.Child("securityContext")?.Flag("runAsNonRoot")) == true;

    private static long? Number(PodFields? own, PodFields? ofPod, string name) => own?.Number(name) ?? ofPod?.Number(name);
}
