using System.Collections.Concurrent;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>
/// Keeps the settings that stand on an injected pod right; on the leader. They are written only where they differ, so that a change of a policy is at
/// most one write for each pod that it selects.
/// </summary>
/// <param name="podOf">From the local copy, with the print of the settings in place of them.</param>
/// <param name="readPod">From the server, with the settings themselves.</param>
internal sealed class SettingsController(
    Func<ResourceKey, Pod?> podOf,
    Func<ResourceKey, CancellationToken, Task<Pod?>> readPod,
    Func<Pod, IReadOnlyList<PolicyView>?> selectedBy,
    Func<Pod, IReadOnlyList<PolicyView>, PodFacts> factsOf,
    Func<Pod, IReadOnlyList<RequestedCapture>> requestsFor,
    Func<ReportSettings?> report,
    Func<ResourceKey, ResourcePatch, CancellationToken, Task> patch,
    PatchPace pace,
    Action onWritten,
    ILogger log)
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(1);

    /// <summary>What was written, over which version of the pod: where the copy still has that one, this is what stands there.</summary>
    private readonly ConcurrentDictionary<ResourceKey, (string? Over, string Print)> _sent = [];

    public async Task<ReconcileResult> ReconcileAsync(ResourceKey key, CancellationToken ct)
    {
        if (await WantedAsync(key, ct) is null)
            return ReconcileResult.Done;
        await pace.WaitAsync(ct);
        // Things may have changed while it had to wait.
        if (await WantedAsync(key, ct) is not { } wanted)
            return ReconcileResult.Done;
        try
        {
            await patch(key, new ResourcePatch.Merge(new
            {
                // Of another pod with this name the server refuses it.
                Metadata = new { wanted.Uid, Annotations = new Dictionary<string, string> { [Names.ConfigAnnotation] = wanted.Settings, [Names.PoliciesAnnotation] = wanted.Policies } },
            }), ct);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            return ReconcileResult.Done;
        }
        catch (ApiException e) when (e.Status is System.Net.HttpStatusCode.Conflict or System.Net.HttpStatusCode.UnprocessableEntity)
        {
            return podOf(key)?.Metadata.Uid == wanted.Uid ? throw new TerminalException(e.Message, e) : ReconcileResult.After(s_soon);
        }
        var print = SettingsPrint.Of(wanted.Settings);
        _sent[key] = (wanted.Over, print);
        onWritten();
        Log.SettingsWritten(log, key.ToString(), SettingsPrint.RevisionOf(print) ?? "", wanted.Policies);
        return ReconcileResult.Done;
    }

    /// <summary>Null: the pod has what it should have, or is not to be told any more.</summary>
    private async Task<Wanted?> WantedAsync(ResourceKey key, CancellationToken ct)
    {
        if (podOf(key) is not { } pod || !PodStanding.IsAlive(pod) || !PodStanding.HasSidecar(pod))
        {
            _sent.TryRemove(key, out _);
            return null;
        }
        // Unknown namespace: its own event comes yet.
        if (selectedBy(pod) is not { } policies)
            return null;
        var print = pod.Metadata.Annotations?.GetValueOrDefault(Names.ConfigAnnotation);
        if (_sent.TryGetValue(key, out var sent))
        {
            if (sent.Over == pod.Metadata.ResourceVersion)
                print = sent.Print;
            else
                _sent.TryRemove(key, out _);
        }
        string? current = null;
        if (policies.Any(policy => !policy.IsValid))
        {
            // What stands there stays of a policy that is not valid now: it has to be known.
            if (await readPod(key, ct) is not { } whole || whole.Metadata.Uid != pod.Metadata.Uid)
                return null;
            current = whole.Metadata.Annotations?.GetValueOrDefault(Names.ConfigAnnotation);
            print = current is null ? null : SettingsPrint.Of(current);
        }
        var settings = SettingsBuilder.Build(policies, factsOf(pod, policies) with { SpoolBytes = SettingsPrint.SpoolOf(print) }, current, requestsFor(pod), report());
        return print == SettingsPrint.Of(settings)
            ? null
            : new Wanted(pod.Metadata.Uid, pod.Metadata.ResourceVersion, settings, string.Join(',', policies.Where(policy => policy.IsValid).Select(policy => policy.FullName)));
    }

    private sealed record Wanted(string? Uid, string? Over, string Settings, string Policies);
}
