using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Autorest;
using k8s.Models;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Sidecar.Hosting;

namespace Premortem.Operator.Hosting;

/// <summary><c>premortem-operator check</c>: what is there of what the operator needs, a line each, and what to do where it is not.</summary>
internal sealed class CheckCommand(OperatorOptions options, IKubernetes client, string? url, TextWriter output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private readonly string _namespace = HomeNamespace.Find(options.Namespace);
    private int _missing;

    public static async Task<int> RunAsync(OperatorOptions options, string? url, TextWriter output)
    {
        Kubernetes client;
        try
        {
            client = new Kubernetes(ClusterConnection.Configuration(options.Kubeconfig));
        }
        catch (Exception e) when (e is k8s.Exceptions.KubeConfigException or IOException or UnauthorizedAccessException or FormatException or YamlDotNet.Core.YamlException)
        {
            await Console.Error.WriteLineAsync($"premortem-operator: --kubeconfig {options.Kubeconfig}: {e.Message}");
            return ExitCodes.Usage;
        }
        using (client)
            return await new CheckCommand(options, client, url, output).RunAsync();
    }

    /// <returns>One of the <see cref="ExitCodes"/>.</returns>
    public async Task<int> RunAsync()
    {
        if (await TryAsync("API server", async ct => $"{client.BaseUri} is Kubernetes {(await client.Version.GetCodeAsync(ct)).GitVersion}", "is it up, and is --kubeconfig right?"))
        {
            await CheckTypeAsync<PolicyResource>(PolicyResource.Type);
            await CheckTypeAsync<PolicyResource>(PolicyResource.ClusterType);
            await CheckTypeAsync<ProfileCapture>(ProfileCapture.Type);
            await CheckRightsAsync();
            await CheckWebhooksAsync();
        }
        await output.WriteLineAsync(_missing == 0 ? "Nothing is missing." : $"{_missing} missing.");
        return _missing == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }

    private Task<bool> CheckTypeAsync<T>(ResourceType type) where T : class, IResource => TryAsync(
        $"CRD {type}",
        async ct =>
        {
            await new ResourceApi<T>(client, type).ListAsync(new ListRequest { Limit = 1 }, ct);
            return type.Version;
        },
        "kubectl apply -f crds/");

    private async Task CheckRightsAsync()
    {
        var rights = RequiredRight.For(options);
        var denied = new List<string>();
        await TryAsync(
            "rights",
            async ct =>
            {
                foreach (var right in rights)
                {
                    var review = await client.AuthorizationV1.CreateSelfSubjectAccessReviewAsync(
                        new V1SelfSubjectAccessReview
                        {
                            Spec = new V1SelfSubjectAccessReviewSpec
                            {
                                ResourceAttributes = new V1ResourceAttributes
                                {
                                    Verb = right.Verb,
                                    Group = right.Group,
                                    Resource = right.Resource,
                                    Subresource = right.SubResource,
                                    Name = right.Name,
                                    NamespaceProperty = right.IsHome ? _namespace : null,
                                },
                            },
                        },
                        cancellationToken: ct);
                    if (!review.Status.Allowed)
                        denied.Add(right.ToString());
                }
                return denied.Count == 0 ? $"all {rights.Count} are granted" : throw new CheckFailedException($"not granted: {string.Join("; ", denied)}");
            },
            "run this as the operator's ServiceAccount, and compare its roles with the chart's");
    }

    private async Task CheckWebhooksAsync()
    {
        string? where = url;
        byte[]? bundle = null;
        await TryAsync(
            $"MutatingWebhookConfiguration {options.WebhookConfiguration}",
            async ct =>
            {
                var found = await client.AdmissionregistrationV1.ReadMutatingWebhookConfigurationAsync(options.WebhookConfiguration, cancellationToken: ct);
                if (found.Webhooks is not [var webhook, ..])
                    throw new CheckFailedException("it has no webhook");
                bundle = webhook.ClientConfig.CaBundle;
                where ??= webhook.ClientConfig.Url is { } direct
                    ? new Uri(direct).GetLeftPart(UriPartial.Authority)
                    : webhook.ClientConfig.Service is { } service ? $"https://{service.Name}.{service.NamespaceProperty}.svc:{service.Port ?? 443}" : null;
                return bundle is { Length: > 0 } ? "has a caBundle" : throw new CheckFailedException("its caBundle is empty: no API server trusts the webhook");
            },
            "helm upgrade brings it back; the operator writes its caBundle, see its log");
        if (where is null)
            return;
        await TryAsync(
            "webhooks",
            async ct =>
            {
                using var http = new HttpClient(new BrokenConnections(Handler(bundle))) { Timeout = s_patience };
                using var answer = await http.GetAsync(new Uri(new Uri(where), "/readyz"), ct);
                var text = (await answer.Content.ReadAsStringAsync(ct)).Trim();
                return answer.IsSuccessStatusCode ? $"{where} answers, with a certificate that the caBundle vouches for" : throw new CheckFailedException($"{where} is not ready: {text.ReplaceLineEndings(", ")}");
            },
            "kubectl get pods,endpoints in the operator's namespace, and the operator's log");
    }

    private static SocketsHttpHandler Handler(byte[]? bundle) => new()
    {
        UseProxy = false,
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                if (bundle is not { Length: > 0 } || certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
                    return errors == SslPolicyErrors.None;
                var trusted = new X509Certificate2Collection();
                trusted.ImportFromPem(System.Text.Encoding.ASCII.GetString(bundle));
                using var check = new X509Chain();
                check.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                check.ChainPolicy.CustomTrustStore.AddRange(trusted);
                check.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                foreach (var element in chain!.ChainElements)
                    check.ChainPolicy.ExtraStore.Add(element.Certificate);
                using var leaf = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
                return check.Build(leaf);
            },
        },
    };

    private async Task<bool> TryAsync(string what, Func<CancellationToken, Task<string>> check, string advice)
    {
        using var deadline = new CancellationTokenSource(s_patience);
        string problem;
        try
        {
            await output.WriteLineAsync($"ok       {what}: {await check(deadline.Token)}");
            return true;
        }
        catch (HttpOperationException e)
        {
            problem = $"{(int)e.Response.StatusCode} {e.Response.ReasonPhrase}";
        }
        catch (Exception e) when (e is ApiException or HttpRequestException or CheckFailedException)
        {
            problem = e.InnerException is System.Security.Authentication.AuthenticationException inner ? $"{e.Message} {inner.Message}" : e.Message;
        }
        catch (OperationCanceledException)
        {
            problem = $"no answer within {s_patience.TotalSeconds:0} s";
        }
        _missing++;
        await output.WriteLineAsync($"MISSING  {what}: {problem} ({advice})");
        return false;
    }

    private sealed class CheckFailedException(string message) : Exception(message);
}
