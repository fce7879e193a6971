namespace Premortem.Operator.Hosting;

/// <summary>A right that the operator needs; the chart grants these and no others, which a test compares.</summary>
/// <param name="SubResource">Null: the resource itself.</param>
/// <param name="Name">On this object alone; null: on all.</param>
/// <param name="IsHome">In the operator's own namespace alone.</param>
internal sealed record RequiredRight(string Verb, string Group, string Resource, string? SubResource = null, string? Name = null, bool IsHome = false)
{
    public static IReadOnlyList<RequiredRight> For(OperatorOptions options)
    {
        const string Ours = "premortem.dev";
        List<RequiredRight> rights =
        [
            .. Verbs("", "pods", "get", "list", "watch", "patch"),
            .. Verbs("", "namespaces", "get", "list", "watch"),
            .. Verbs("", "nodes", "list", "watch"),
            .. Verbs("", "events", "create", "patch"),
            .. Verbs("apps", "replicasets", "get"),
            .. Verbs("batch", "jobs", "get"),
            .. Verbs(Ours, "profilepolicies", "get", "list", "watch"),
            .. Verbs(Ours, "clusterprofilepolicies", "get", "list", "watch"),
            .. Verbs(Ours, "profilecaptures", "get", "list", "watch", "create", "patch", "delete"),
            .. Verbs("authentication.k8s.io", "tokenreviews", "create"),
            new("patch", Ours, "profilepolicies", "status"),
            new("patch", Ours, "clusterprofilepolicies", "status"),
            new("patch", Ours, "profilecaptures", "status"),
            // What is to be created has no name yet that could be compared.
            new("create", "coordination.k8s.io", "leases", IsHome: true),
            .. Verbs("coordination.k8s.io", "leases", "get", "patch").Select(right => right with { Name = options.Lease, IsHome = true }),
        ];
        if (options.CertificateMode == CertificateMode.Operator)
        {
            rights.AddRange(Verbs("", "secrets", "get", "patch").Select(right => right with { Name = options.CaSecret, IsHome = true }));
            rights.AddRange(Verbs("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "get", "patch").Select(right => right with { Name = options.WebhookConfiguration }));
            rights.AddRange(Verbs("admissionregistration.k8s.io", "validatingwebhookconfigurations", "get", "patch").Select(right => right with { Name = options.WebhookConfiguration }));
        }
        return rights;

        static IEnumerable<RequiredRight> Verbs(string group, string resource, params string[] verbs) => verbs.Select(verb => new RequiredRight(verb, group, resource));
    }

    public override string ToString() =>
        $"{Verb} {Resource}{(SubResource is null ? "" : "/" + SubResource)}{(Group.Length == 0 ? "" : "." + Group)}{(Name is null ? "" : " " + Name)}{(IsHome ? " in the operator's namespace" : "")}";
}
