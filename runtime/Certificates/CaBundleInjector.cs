using System.Text;
using System.Text.Json.Nodes;
using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Certificates;

/// <summary>Writes the authority's bundle into the webhook configurations that are named, where another one stands there.</summary>
internal sealed class CaBundleInjector(IKubernetes client, CertificateOptions options, ILogger log)
{
    private readonly (ResourceApi<WebhookConfiguration> Api, string Name)[] _configurations =
    [
        .. options.MutatingWebhooks.Select(name => (new ResourceApi<WebhookConfiguration>(client, WebhookConfiguration.MutatingType), name)),
        .. options.ValidatingWebhooks.Select(name => (new ResourceApi<WebhookConfiguration>(client, WebhookConfiguration.ValidatingType), name)),
    ];

    private readonly HashSet<string> _saidMissing = [];

    /// <returns>Whether all of them have it.</returns>
    public async Task<bool> InjectAsync(string bundlePem, CancellationToken ct)
    {
        var bundle = Convert.ToBase64String(Encoding.UTF8.GetBytes(bundlePem));
        var all = true;
        foreach (var (api, name) in _configurations)
            all &= await InjectAsync(api, name, bundle, ct);
        return all;
    }

    /// <summary>What has to be changed; empty: nothing.</summary>
    internal static JsonArray Patch(WebhookConfiguration configuration, string bundle)
    {
        var operations = new JsonArray();
        for (var i = 0; i < configuration.Webhooks?.Count; i++)
        {
            var webhook = configuration.Webhooks[i];
            if (webhook.ClientConfig?.CaBundle == bundle)
                continue;
            // Should somebody have moved them meanwhile, this fails, and the next round finds them.
            operations.Add(new JsonObject { ["op"] = "test", ["path"] = $"/webhooks/{i}/name", ["value"] = webhook.Name });
            operations.Add(new JsonObject { ["op"] = "add", ["path"] = $"/webhooks/{i}/clientConfig/caBundle", ["value"] = bundle });
        }
        return operations;
    }

    private async Task<bool> InjectAsync(ResourceApi<WebhookConfiguration> api, string name, string bundle, CancellationToken ct)
    {
        var key = new ResourceKey(null, name);
        var title = $"{api.Type.Kind} {name}";
        if (await api.GetAsync(key, ct) is not { } configuration)
        {
            if (_saidMissing.Add(title))
                Log.WebhookMissing(log, title);
            return false;
        }
        _saidMissing.Remove(title);
        if (Patch(configuration, bundle) is not { Count: > 0 } patch)
            return true;
        await api.PatchAsync(key, new ResourcePatch.Json(patch), ct);
        Log.BundleInjected(log, title);
        return true;
    }
}
