namespace Premortem.Contracts;

/// <summary>Names that more than one program, or a user, types.</summary>
public static class Names
{
    public const string SidecarContainer = "premortem";
    public const string InjectAnnotation = "premortem.dev/inject";
    public const string InjectedLabel = "premortem.dev/injected";
    public const string PoliciesAnnotation = "premortem.dev/policies";
    public const string ConfigAnnotation = "premortem.dev/config";

    /// <summary>On a pod: what its sidecar last said of itself, a <see cref="SidecarStatus"/>; written by the operator.</summary>
    public const string StatusAnnotation = "premortem.dev/status";

    /// <summary>Whom a sidecar's token is for. A token for anybody else is refused.</summary>
    public const string TokenAudience = "premortem.dev";

    /// <summary>Where things stand inside the sidecar, and what its volumes are called.</summary>
    public const string ConfigVolume = "premortem-config";
    public const string ConfigFile = "/etc/premortem/pod/config";
    public const string TokenVolume = "premortem-token";
    public const string TokenFile = "/var/run/secrets/premortem.dev/token";
    public const string CredentialsVolume = "premortem-s3";
    public const string CredentialsDirectory = "/etc/premortem/s3";
    public const string SpoolVolume = "premortem-spool";
    public const string SpoolDirectory = "/var/lib/premortem/spool";

    /// <summary>For <c>storage.directory</c> where no container has a volume at that path.</summary>
    public const string DirectoryVolume = "premortem-storage";

    /// <summary>The volume that a .NET target and the sidecar share: the socket that the runtime dials, and its dumps. The same path in both.</summary>
    public const string SharedVolume = "premortem-shared";
    public const string SharedDirectory = "/premortem";
    public const string DiagnosticPortFile = "/premortem/diagnostics.sock";
    public const string DumpDirectory = "/premortem/dumps";

    public const string NamespaceVariable = "PREMORTEM_NAMESPACE";
    public const string WorkloadVariable = "PREMORTEM_WORKLOAD";
    public const string PodVariable = "PREMORTEM_POD";
    public const string ContainerVariable = "PREMORTEM_CONTAINER";
    public const string NodeVariable = "PREMORTEM_NODE";
    public const string PodUidVariable = "PREMORTEM_POD_UID";

    /// <summary>Where the Secret with S3 credentials is mounted: files <c>accessKeyId</c>, <c>secretAccessKey</c>, [<c>sessionToken</c>].</summary>
    public const string S3CredentialsVariable = "PREMORTEM_S3_CREDENTIALS_DIR";

    public const string Manifest = "manifest.json";
    public const string Report = "report.html";
    public const string MemoryTimeline = "memory.csv";

    /// <summary>The triggers that no policy has to name.</summary>
    public const string RequestedTrigger = "requested";
    public const string OomKillTrigger = "oom-kill";
    public const string ExitTrigger = "exit";

    /// <summary>What stands first in a capture's top where most of the memory is no managed heap's.</summary>
    public const string OutsideHeap = "(outside of the managed heap)";
}
