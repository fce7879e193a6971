using System.Text.Json.Nodes;
using Premortem.Contracts;

namespace Premortem.Operator.Injection;

/// <summary>What the sidecar's container is made of, and the volumes that come with it.</summary>
internal sealed class SidecarContainer(PodView pod, PodPatch patch)
{
    private const long Mi = 1 << 20;
    private const int TokenLifetimeSeconds = 3600;
    private static readonly TimeSpan LeftForTheKubelet = TimeSpan.FromSeconds(5);

    private readonly HashSet<string> _volumes = [.. pod.Spec.Children("volumes").Select(volume => volume.Text("name") ?? "")];
    private readonly JsonArray _mounts = [];
    // As JsonNodes: a JsonArray's list of JsonObjects is made by a method that a native program, as the plugin is one, does not have.
    private readonly JsonArray _environment = new((JsonNode[])
    [
        FromField(Names.NamespaceVariable, "metadata.namespace"),
        FromField(Names.PodVariable, "metadata.name"),
        FromField(Names.PodUidVariable, "metadata.uid"),
        FromField(Names.NodeVariable, "spec.nodeName"),
        // A pod without any name has no workload either, and the sidecar goes by the container's.
        .. WorkloadName.Of(pod) is { Length: > 0 } workload ? (JsonNode[])[new JsonObject { ["name"] = Names.WorkloadVariable, ["value"] = workload }] : [],
    ]);

    /// <summary>A quarter more than captures may hold: their records and what is being written stand there too.</summary>
    public static long VolumeBytes(long spoolBytes) => spoolBytes > long.MaxValue / 2 ? spoolBytes : (spoolBytes + (spoolBytes / 4) + Mi - 1) / Mi * Mi;

    public void AddSettings() => Mount(
        Volume(Names.ConfigVolume, "downwardAPI", new JsonObject
        {
            ["items"] = new JsonArray(new JsonObject
            {
                ["path"] = Path.GetFileName(Names.ConfigFile),
                ["fieldRef"] = new JsonObject { ["apiVersion"] = "v1", ["fieldPath"] = $"metadata.annotations['{Names.ConfigAnnotation}']" },
            }),
        }),
        Path.GetDirectoryName(Names.ConfigFile)!, isReadOnly: true);

    public void AddToken() => Mount(
        Volume(Names.TokenVolume, "projected", new JsonObject
        {
            ["sources"] = new JsonArray(new JsonObject
            {
                ["serviceAccountToken"] = new JsonObject
                {
                    ["audience"] = Names.TokenAudience,
                    ["expirationSeconds"] = TokenLifetimeSeconds,
                    ["path"] = Path.GetFileName(Names.TokenFile),
                },
            }),
        }),
        Path.GetDirectoryName(Names.TokenFile)!, isReadOnly: true);

    /// <summary>The kubelet evicts a pod whose volume is over its limit; the sidecar keeps to <paramref name="spoolBytes"/> by itself.</summary>
    public void AddSpool(long spoolBytes) => Mount(
        Volume(Names.SpoolVolume, "emptyDir", new JsonObject { ["sizeLimit"] = Quantity.Format(VolumeBytes(spoolBytes)) }),
        Names.SpoolDirectory);

    /// <summary>A pod whose Secret is not there starts all the same: captures wait in the spool until it is.</summary>
    public void AddCredentials(string secret)
    {
        // Files of a Secret are root's, and of the group that fsGroup names. Nobody else has this volume.
        var mode = pod.Spec.Child("securityContext")?.Has("fsGroup") == true ? Octal(4, 4, 0) : Octal(4, 4, 4);
        Mount(
            Volume(Names.CredentialsVolume, "secret", new JsonObject { ["secretName"] = secret, ["optional"] = true, ["defaultMode"] = mode }),
            Names.CredentialsDirectory, isReadOnly: true);
        _environment.Add((JsonNode)new JsonObject { ["name"] = Names.S3CredentialsVariable, ["value"] = Names.CredentialsDirectory });
    }

    /// <summary>
    /// The volume that the target has at that path. Without one captures stand in a volume that ends with the pod, which is better than
    /// nowhere, and is said.
    /// </summary>
    public void AddDirectory(string path, ContainerView target, List<string> warnings)
    {
        if (_mounts.Any(mount => mount!["mountPath"]!.GetValue<string>() == path.TrimEnd('/')))
            return;
        var covering = target.VolumeMounts
            .Where(mount => mount.Text("mountPath") is { } at && IsWithin(path, at) && mount.Flag("readOnly") != true && !mount.Has("subPathExpr"))
            .MaxBy(mount => mount.Text("mountPath")!.Length);
        if (covering is not null && !_mounts.Any(mount => mount!["mountPath"]!.GetValue<string>() == covering.Text("mountPath")!.TrimEnd('/')))
        {
            var mount = new JsonObject { ["name"] = covering.RequiredText("name"), ["mountPath"] = covering.Text("mountPath")!.TrimEnd('/') };
            if (covering.Text("subPath") is { } part)
                mount["subPath"] = part;
            _mounts.Add((JsonNode)mount);
        }
        else if (covering is null)
        {
            warnings.Add($"container {target.Name} mounts no volume at {path}, where captures are to be stored: they end with the pod");
            Mount(Volume(Names.DirectoryVolume, "emptyDir", []), path.TrimEnd('/'));
        }
    }

    /// <summary>A name for the volume that .NET targets and the sidecar share.</summary>
    public string SharedVolume { get; } = FreeName(Names.SharedVolume, pod.Spec.Children("volumes").Select(volume => volume.Text("name")));

    /// <summary>No size limit: a dump is as large as its process, and a pod is not to be evicted for it.</summary>
    public void AddShared()
    {
        _volumes.Add(SharedVolume);
        patch.Append(pod.Spec, "/spec", "volumes", new JsonObject { ["name"] = SharedVolume, ["emptyDir"] = new JsonObject() });
        Mount(SharedVolume, Names.SharedDirectory);
    }

    public JsonObject Build(InjectorOptions options, JsonObject securityContext, JsonObject? resources, bool isNative, bool hasDotNet)
    {
        var arguments = new JsonArray("run", "--pod", "--settings", Names.ConfigFile, "--spool", Names.SpoolDirectory, "--grace-period", Durations.Format(GracePeriod()));
        if (hasDotNet)
            foreach (var argument in (ReadOnlySpan<string>)["--diagnostic-port", Names.DiagnosticPortFile, "--dump-directory", Names.DumpDirectory])
                arguments.Add((JsonNode)argument);
        var container = new JsonObject { ["name"] = Names.SidecarContainer, ["image"] = options.SidecarImage };
        if (options.ImagePullPolicy is { } pull)
            container["imagePullPolicy"] = pull;
        if (isNative)
            container["restartPolicy"] = "Always";
        container["args"] = arguments;
        container["env"] = _environment;
        if (resources is not null)
            container["resources"] = resources;
        container["volumeMounts"] = _mounts;
        container["terminationMessagePolicy"] = "FallbackToLogsOnError";
        container["securityContext"] = securityContext;
        return container;
    }

    private TimeSpan GracePeriod()
    {
        var whole = TimeSpan.FromSeconds(Math.Clamp(pod.Spec.Number("terminationGracePeriodSeconds") ?? 30, 0, 86_400));
        var ours = whole - LeftForTheKubelet;
        return ours < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : ours;
    }

    /// <summary>Adds a volume to the pod, by another name where the user has one of that name.</summary>
    private string Volume(string name, string kind, JsonObject content)
    {
        var free = FreeName(name, _volumes);
        _volumes.Add(free);
        patch.Append(pod.Spec, "/spec", "volumes", new JsonObject { ["name"] = free, [kind] = content });
        return free;
    }

    private void Mount(string volume, string path, bool isReadOnly = false)
    {
        var mount = new JsonObject { ["name"] = volume, ["mountPath"] = path };
        if (isReadOnly)
            mount["readOnly"] = true;
        _mounts.Add((JsonNode)mount);
    }

    private static string FreeName(string name, IEnumerable<string?> taken)
    {
        var names = taken.ToHashSet();
        var free = name;
        for (var i = 2; names.Contains(free); i++)
            free = $"{name}-{i}";
        return free;
    }

    private static bool IsWithin(string path, string folder) => folder.TrimEnd('/') is var top && (path == top || path.StartsWith(top + "/", StringComparison.Ordinal));

    private static JsonObject FromField(string name, string field) => new()
    {
        ["name"] = name,
        ["valueFrom"] = new JsonObject { ["fieldRef"] = new JsonObject { ["apiVersion"] = "v1", ["fieldPath"] = field } },
    };

    /// <summary>JSON has no octal numbers.</summary>
    private static int Octal(int user, int group, int others) => (user * 64) + (group * 8) + others;
}
