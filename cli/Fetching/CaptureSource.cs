using System.CommandLine;
using System.Text.Json;
using Amazon.Runtime;
using Premortem.Cli.Captures;
using Premortem.Cli.Cluster;
using Premortem.Cli.Stores;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Fetching;

/// <summary>Where a capture stands, as the cluster has it.</summary>
/// <param name="Storage">The capture's own folder.</param>
/// <param name="Credentials">From the policy's Secret, where the user wants that; null: the user's own.</param>
internal sealed record CaptureSource(Storage Storage, AWSCredentials? Credentials)
{
    // As kubectl takes them, and as captures -o name prints them.
    private static readonly string[] s_kinds = ["capture/", "pcap/", "profilecapture/", "profilecaptures/", "profilecapture.premortem.dev/"];

    /// <summary>By its name in the cluster, or by its folder's address.</summary>
    internal static async Task<CaptureSource> FindAsync(
        ParseResult parsed, string source, ClusterOptions cluster, StoreOptions stores, bool fromSecret, World world, CancellationToken ct)
    {
        var found = NameOf(source) is not { } name
            ? new CaptureSource(StoreAddress.Parse(source), null)
            : await FindAsync(cluster.Kubectl(parsed, world), name, cluster.Namespace(parsed), !stores.IsEndpointGiven(parsed, world), fromSecret, ct);
        return found.Storage is S3Storage s3 ? found with { Storage = stores.Complete(s3, parsed, world) } : found;
    }

    /// <summary>The name of a ProfileCapture that the text is, with or without its kind; null: it is an address.</summary>
    internal static string? NameOf(string source)
    {
        foreach (var kind in s_kinds)
            if (source.StartsWith(kind, StringComparison.Ordinal) && source.IndexOf('/', kind.Length) < 0)
                return source[kind.Length..];
        return StoreAddress.IsOne(source) ? null : source;
    }

    /// <summary>Whether it says itself that it is one of the cluster's.</summary>
    internal static bool SaysSo(string source) => NameOf(source) is { } name && name != source;

    /// <param name="name">Of the ProfileCapture.</param>
    /// <param name="asksPolicies">Whether the server is looked up in the policies; not where the user has said which it is.</param>
    /// <param name="asksSecret">Whether the credentials are read from the policy's Secret.</param>
    /// <exception cref="VerbException">There is no such capture, or it is not stored.</exception>
    internal static async Task<CaptureSource> FindAsync(Kubectl kubectl, string name, string? ns, bool asksPolicies, bool asksSecret, CancellationToken ct)
    {
        // It would be a flag of kubectl's.
        if (name.Length == 0 || name[0] == '-')
            throw VerbException.Usage($"'{Printable.Of(name)}' is no name of a ProfileCapture");
        string[] scope = ns is null ? [] : ["-n", ns];
        using var found = await kubectl.GetAsync(Kubectl.Captures, [name, .. scope], ct)
            ?? throw new VerbException($"there is no ProfileCapture '{Printable.Of(name)}'{(ns is null ? " in this namespace (-n names another one)" : $" in the namespace {ns}")}: premortem captures lists them");
        var capture = ListedCapture.Of(found.RootElement);
        if (capture.Location.Length == 0)
            throw new VerbException($"the capture {Printable.Of(name)} is not stored yet (phase {(capture.Phase.Length == 0 ? "Pending" : Printable.Of(capture.Phase))}): the sidecar stores it as soon as it can; kubectl describe pcap says what hinders it");
        var location = StoreAddress.IsS3(capture.Location)
            // Nothing of a location is a setting.
            ? StoreAddress.Parse(capture.Location.Split('?')[0])
            : StoreAddress.IsFile(capture.Location)
                ? StoreAddress.Parse(capture.Location)
                : throw new VerbException($"the capture's location is '{Printable.Of(capture.Location)}', which this program cannot fetch from");
        if (location is not S3Storage bucket)
            return location is DirectoryStorage folder && Directory.Exists(folder.Path)
                ? new CaptureSource(location, null)
                : throw new VerbException($"the capture stands at {Printable.Of(capture.Location)}, in a volume of the pod: mount it here, and fetch from that folder");
        if (!asksPolicies && !asksSecret)
            return new CaptureSource(bucket, null);
        var policy = await PolicyStorageAsync(kubectl, capture, bucket, ct);
        if (asksPolicies && policy is not null)
            bucket = bucket with { Endpoint = policy.Endpoint, Region = policy.Region, ForcePathStyle = policy.ForcePathStyle };
        return new CaptureSource(bucket, asksSecret ? await SecretAsync(kubectl, policy, capture.Namespace, ct) : null);
    }

    // The capture names the policy whose trigger fired, and where several select a pod, the storage may be another one's: the bucket tells.
    private static async Task<S3Storage?> PolicyStorageAsync(Kubectl kubectl, ListedCapture capture, S3Storage bucket, CancellationToken ct)
    {
        var found = new List<(string Policy, S3Storage Storage)>();
        foreach (var (resource, scope) in new (string, string[])[] { (Kubectl.Policies, ["-n", capture.Namespace]), (Kubectl.ClusterPolicies, []) })
        {
            using var policies = await kubectl.TryGetAsync(resource, scope, ct);
            if (policies is null || !policies.RootElement.TryGetProperty("items", out var items))
                continue;
            foreach (var policy in items.EnumerateArray())
                if (StorageOf(policy) is { } storage && storage.Bucket == bucket.Bucket && bucket.Prefix.StartsWith(storage.Prefix.Trim('/'), StringComparison.Ordinal))
                    found.Add((policy.GetProperty("metadata").GetProperty("name").GetString() ?? "", storage));
        }
        return found.OrderByDescending(candidate => candidate.Policy == capture.Policy).Select(candidate => candidate.Storage).FirstOrDefault();
    }

    private static S3Storage? StorageOf(JsonElement policy)
    {
        if (Member(Member(Member(policy, "spec"), "storage"), "s3") is not { ValueKind: JsonValueKind.Object } s3 || Text(s3, "bucket") is not { } bucket)
            return null;
        return new S3Storage(bucket)
        {
            Prefix = Text(s3, "prefix") ?? "",
            Region = Text(s3, "region"),
            Endpoint = Uri.TryCreate(Text(s3, "endpoint"), UriKind.Absolute, out var endpoint) && endpoint.Scheme is "http" or "https" ? endpoint : null,
            ForcePathStyle = Member(s3, "forcePathStyle").ValueKind == JsonValueKind.True,
            CredentialsSecret = Text(s3, "credentialsSecret"),
        };
    }

    private static async Task<AWSCredentials> SecretAsync(Kubectl kubectl, S3Storage? policy, string ns, CancellationToken ct)
    {
        // Nothing that kubectl could take for a flag.
        if (policy?.CredentialsSecret is not [not '-', ..] name)
            throw new VerbException("--credentials-from-secret: no policy that can be read here names a Secret for this bucket");
        using var secret = await kubectl.GetAsync("secrets", [name, "-n", ns], ct)
            ?? throw new VerbException($"--credentials-from-secret: there is no Secret {ns}/{Printable.Of(name)}");
        var data = Member(secret.RootElement, "data");
        var (key, password) = (Value(data, "accessKeyId"), Value(data, "secretAccessKey"));
        if (key is null || password is null)
            throw new VerbException($"--credentials-from-secret: the Secret {ns}/{Printable.Of(name)} needs the keys accessKeyId and secretAccessKey");
        return Value(data, "sessionToken") is { } token ? new SessionAWSCredentials(key, password, token) : new BasicAWSCredentials(key, password);
    }

    private static string? Value(JsonElement data, string name)
    {
        try
        {
            // One made from a file often ends with a line's end, which is no part of any key.
            return Text(data, name) is { } encoded && System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(encoded)).Trim() is { Length: > 0 } value ? value : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static JsonElement Member(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var member) ? member : default;

    private static string? Text(JsonElement parent, string name) => Member(parent, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
}
