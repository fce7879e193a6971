using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Certificates;

/// <summary>Keeps the Secret of the authority right. Of two replicas that do so at once one is refused, and takes what the other has written.</summary>
internal sealed class CaSecret(IKubernetes client, CertificateOptions options, TimeProvider time, ILogger log)
{
    private const int MostRounds = 5;

    private readonly ResourceApi<Secret> _secrets = new(client, Secret.Type);
    private readonly ResourceKey _key = new(options.Namespace, options.SecretName);

    /// <param name="isPublished">Whether the API server trusts the bundle of this content.</param>
    /// <returns>What the Secret holds now; it has an authority that signs.</returns>
    public async Task<CaContent> ReconcileAsync(Func<CaContent, bool> isPublished, CancellationToken ct)
    {
        for (var round = 1; ; round++)
        {
            var secret = await _secrets.GetAsync(_key, ct)
                ?? throw new ApiException(
                    System.Net.HttpStatusCode.NotFound, "NotFound", $"Secret {_key} is missing; the chart makes it: run helm upgrade, or create an empty one");
            var has = CaContent.Read(secret.Data);
            var now = time.GetUtcNow();
            var decision = CaDecision.Decide(now, has, has.Next is not null && isPublished(has), options);
            if (decision is CaDecision.Keep)
                return has;
            var wants = decision.Apply(has, now, options);
            try
            {
                await _secrets.PatchAsync(
                    _key, new ResourcePatch.Merge(new { metadata = new { secret.Metadata.ResourceVersion }, data = wants.ToData() }), ct);
            }
            catch (ApiException e) when (e.IsConflict && round < MostRounds)
            {
                continue;
            }
            Log.AuthorityChanged(log, _key.ToString(), decision.GetType().Name, decision.Why);
            return wants;
        }
    }
}
