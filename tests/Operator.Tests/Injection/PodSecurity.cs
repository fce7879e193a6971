using System.Text.Json.Nodes;

namespace Premortem.Operator.Tests.Injection;

/// <summary>
/// The Pod Security Standards as Kubernetes 1.36 checks them for Linux pods: what a pod violates, empty where it conforms.
/// https://kubernetes.io/docs/concepts/security/pod-security-standards/
/// </summary>
internal static class PodSecurity
{
    private static readonly string[] RestrictedVolumes = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];
    private static readonly string[] BaselineCapabilities = ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"];
    private static readonly string[] SafeSysctls = ["kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"];
    private static readonly string[] SeLinuxTypes = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

    public static IReadOnlyList<string> Baseline(JsonObject pod)
    {
        var problems = new List<string>();
        var spec = pod["spec"]!.AsObject();
        void Refuse(bool violated, string what)
        {
            if (violated)
                problems.Add(what);
        }
        foreach (var field in (string[])["hostNetwork", "hostPID", "hostIPC"])
            Refuse(IsTrue(spec[field]), field);
        foreach (var volume in spec["volumes"]?.AsArray() ?? [])
            Refuse(volume!["hostPath"] is not null, $"volume {volume["name"]}: hostPath");
        foreach (var annotation in pod["metadata"]?["annotations"] as JsonObject ?? [])
            Refuse(annotation.Key.StartsWith("container.apparmor.security.beta.kubernetes.io/", StringComparison.Ordinal) && annotation.Value!.GetValue<string>() is var profile && profile != "runtime/default" && !profile.StartsWith("localhost/", StringComparison.Ordinal), "AppArmor annotation");
        foreach (var sysctl in spec["securityContext"]?["sysctls"]?.AsArray() ?? [])
            Refuse(!SafeSysctls.Contains(sysctl!["name"]!.GetValue<string>()), $"sysctl {sysctl["name"]}");
        foreach (var (who, context) in Contexts(spec))
        {
            Refuse(IsTrue(context["windowsOptions"]?["hostProcess"]), $"{who}: hostProcess");
            Refuse(IsTrue(context["privileged"]), $"{who}: privileged");
            Refuse(Strings(context["capabilities"]?["add"]).Except(BaselineCapabilities).Any(), $"{who}: capabilities.add");
            Refuse(context["appArmorProfile"]?["type"]?.GetValue<string>() == "Unconfined", $"{who}: appArmorProfile");
            Refuse(context["seLinuxOptions"] is { } label && (!SeLinuxTypes.Contains(Text(label["type"])) || Text(label["user"]) != "" || Text(label["role"]) != ""), $"{who}: seLinuxOptions");
            Refuse(context["procMount"] is { } mount && mount.GetValue<string>() != "Default", $"{who}: procMount");
            Refuse(context["seccompProfile"]?["type"]?.GetValue<string>() == "Unconfined", $"{who}: seccompProfile");
        }
        foreach (var container in Containers(spec))
        {
            Refuse((container["ports"]?.AsArray() ?? []).Any(port => port!["hostPort"] is { } host && host.GetValue<int>() != 0), $"container {container["name"]}: hostPort");
            // Since 1.34: a probe or a hook may name no other host.
            foreach (var handler in (JsonNode?[])[container["livenessProbe"], container["readinessProbe"], container["startupProbe"], container["lifecycle"]?["preStop"], container["lifecycle"]?["postStart"]])
                Refuse(Text(handler?["httpGet"]?["host"]) != "" || Text(handler?["tcpSocket"]?["host"]) != "", $"container {container["name"]}: host of a probe");
        }
        return problems;
    }

    public static IReadOnlyList<string> Restricted(JsonObject pod)
    {
        var problems = new List<string>(Baseline(pod));
        var spec = pod["spec"]!.AsObject();
        var ofPod = spec["securityContext"] as JsonObject ?? [];
        foreach (var volume in spec["volumes"]?.AsArray() ?? [])
            if (!volume!.AsObject().Any(field => RestrictedVolumes.Contains(field.Key)))
                problems.Add($"volume {volume["name"]}: its kind");
        if (IsZero(ofPod["runAsUser"]))
            problems.Add("pod: runAsUser");
        foreach (var container in Containers(spec))
        {
            var who = $"container {container["name"]}";
            var context = container["securityContext"] as JsonObject ?? [];
            if (context["allowPrivilegeEscalation"] is not { } escalation || IsTrue(escalation))
                problems.Add($"{who}: allowPrivilegeEscalation");
            if (!IsTrue(context["runAsNonRoot"] ?? ofPod["runAsNonRoot"]))
                problems.Add($"{who}: runAsNonRoot");
            if (IsZero(context["runAsUser"]))
                problems.Add($"{who}: runAsUser");
            if (Text((context["seccompProfile"] ?? ofPod["seccompProfile"])?["type"]) is not ("RuntimeDefault" or "Localhost"))
                problems.Add($"{who}: seccompProfile");
            if (!Strings(context["capabilities"]?["drop"]).Contains("ALL"))
                problems.Add($"{who}: capabilities.drop");
            if (Strings(context["capabilities"]?["add"]).Any(capability => capability != "NET_BIND_SERVICE"))
                problems.Add($"{who}: capabilities.add of restricted");
        }
        return problems;
    }

    private static IEnumerable<JsonObject> Containers(JsonObject spec) =>
        ((string[])["initContainers", "containers", "ephemeralContainers"]).SelectMany(list => spec[list]?.AsArray() ?? []).Select(container => container!.AsObject());

    private static IEnumerable<(string Who, JsonObject Context)> Contexts(JsonObject spec) =>
        Containers(spec).Select(container => ($"container {container["name"]}", container["securityContext"] as JsonObject ?? [])).Prepend(("pod", spec["securityContext"] as JsonObject ?? []));

    private static bool IsTrue(JsonNode? node) => node?.GetValue<bool>() == true;

    private static bool IsZero(JsonNode? node) => node?.ToJsonString() == "0";

    private static string Text(JsonNode? node) => node?.GetValue<string>() ?? "";

    private static IEnumerable<string> Strings(JsonNode? list) => (list?.AsArray() ?? []).Select(item => item!.GetValue<string>());
}
