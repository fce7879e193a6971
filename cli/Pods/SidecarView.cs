using System.Globalization;
using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Contracts;

namespace Premortem.Cli.Pods;

/// <summary>The sidecar of a pod, as the kubelet sees it and as it says itself.</summary>
/// <param name="State">In words: <c>running since …</c>.</param>
/// <param name="LastEnd">How it last ended; null: it never did.</param>
/// <param name="Status">What it told the operator; null: nothing.</param>
/// <param name="Log">What its log says, the newest of each kind.</param>
internal sealed record SidecarView(bool IsRunning, string State, long Restarts, string? LastEnd, string? Image, SidecarStatus? Status, SidecarLog Log)
{
    private const int MostStatus = 64 << 10;

    // Enough for hours; a sidecar says little.
    private const string Tail = "--tail=2000", MostLog = "--limit-bytes=4194304";

    internal static async Task<SidecarView> OfAsync(Kubectl kubectl, JsonElement pod, CancellationToken ct)
    {
        var (metadata, status) = (pod.Member("metadata"), pod.Member("status"));
        var said = status.Items("containerStatuses").Concat(status.Items("initContainerStatuses")).FirstOrDefault(one => one.Text("name") == Names.SidecarContainer);
        var (running, waiting, ended) = (said.Member("state", "running"), said.Member("state", "waiting"), said.Member("state", "terminated"));
        var state = running.ValueKind == JsonValueKind.Object ? $"running since {running.Text("startedAt")}"
            : waiting.ValueKind == JsonValueKind.Object ? $"waiting: {waiting.Text("reason")}{(waiting.Text("message") is { Length: > 0 } message ? ": " + message : "")}"
            : ended.ValueKind == JsonValueKind.Object ? $"ended: {End(ended)}"
            : "not started yet";
        var last = said.Member("lastState", "terminated");
        var log = SidecarLog.Empty;
        try
        {
            if (running.ValueKind == JsonValueKind.Object || ended.ValueKind == JsonValueKind.Object)
                log = SidecarLog.Read(await kubectl.LogsAsync([metadata.Text("name"), "-c", Names.SidecarContainer, "-n", metadata.Text("namespace"), Tail, MostLog, "--request-timeout=20s"], ct));
        }
        catch (VerbException e)
        {
            log = SidecarLog.Empty with { Problem = e.Message };
        }
        return new SidecarView(
            running.ValueKind == JsonValueKind.Object,
            state,
            said.Number("restartCount"),
            last.ValueKind == JsonValueKind.Object ? End(last) : null,
            said.Text("image") is { Length: > 0 } image ? image : null,
            StatusOf(pod),
            log);
    }

    /// <summary>What the annotation of the pod says that the sidecar told last; whoever may change the pod may have written it.</summary>
    internal static SidecarStatus? StatusOf(JsonElement pod)
    {
        if (pod.Member("metadata", "annotations").Text(Names.StatusAnnotation) is not { Length: > 0 and <= MostStatus } text)
            return null;
        try
        {
            var status = JsonSerializer.Deserialize(text, ContractsJson.Default.SidecarStatus);
            return status is null || status.Targets.Any(target => target is null) ? null : status;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string End(JsonElement terminated) =>
        string.Create(CultureInfo.InvariantCulture, $"{terminated.Text("reason")}, exit code {terminated.Number("exitCode")}, at {terminated.Text("finishedAt")}");
}
