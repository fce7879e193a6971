using System.Net;
using System.Text;
using k8s;
using k8s.Autorest;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Runtime;
using Premortem.Runtime.Admission;
using Premortem.Runtime.Certificates;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Runtime;

public sealed class CertificatesTests
{
    private const string SecretName = "webhook-ca";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_replicas_that_make_an_authority_at_once_all_take_that_of_one()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await CreateSecretAsync(server, ns.Name);
        var options = new CertificateOptions(ns.Name, SecretName, ["hook"]);
        var contents = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ =>
            Task.Run(() => new CaSecret(server.Client, options, TimeProvider.System, NullLogger.Instance).ReconcileAsync(_ => false, Ct))));
        Assert.Single(contents.Select(content => content.Current!.CertificatePem).Distinct());
        Assert.Single(contents.Select(content => content.BundlePem).Distinct());
    }

    [Fact]
    public async Task A_secret_that_is_missing_is_said_and_waited_for()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await using var replica = new Replica(server.Client, new CertificateOptions(ns.Name, SecretName, ["hook"]), TimeProvider.System);
        var missing = await Assert.ThrowsAsync<ApiException>(() =>
            new CaSecret(server.Client, new CertificateOptions(ns.Name, SecretName, []), TimeProvider.System, NullLogger.Instance).ReconcileAsync(_ => false, Ct));
        Assert.Contains(SecretName, missing.Message, StringComparison.Ordinal);
        await CreateSecretAsync(server, ns.Name);
        await Eventually.IsTrue(() => replica.Certificate.IsReady, "ready");
    }

    [Fact]
    public async Task The_server_calls_the_webhook_before_during_and_after_the_authority_changes()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync(new Dictionary<string, string> { ["hooked"] = Guid.NewGuid().ToString("N")[..8] });
        await CreateSecretAsync(server, ns.Name);
        var name = $"hook-{ns.Name}";
        var options = new CertificateOptions(ns.Name, SecretName, ["127.0.0.1"]) { ValidatingWebhooks = [name] };

        // The authority was made 250 days ago, as far as it knows; the API server's clock is the real one.
        var now = TimeProvider.System.GetUtcNow();
        var time = new FakeTimeProvider(now - TimeSpan.FromDays(250));
        await using var replica = new Replica(server.Client, options, time);
        await using var webhook = await ServeAsync(replica.Certificate);
        await CreateWebhookAsync(server, name, ns.Name, $"{webhook.Urls.First()}/validate");
        try
        {
            var first = await BundleIsAsync(server, name, time, bundle => bundle.Length > 0, "a bundle");
            await Eventually.IsTrue(() => replica.Certificate.IsReady, "ready");
            Assert.Single(first.Split("END CERTIFICATE").SkipLast(1));

            // By now the authority is two thirds through and the serving certificate long expired.
            time.Advance(now - TimeSpan.FromHours(2) - time.GetUtcNow());
            await BundleIsAsync(server, name, time, bundle => bundle.Split("END CERTIFICATE").Length == 3, "both authorities in the bundle");
            Assert.StartsWith(first, await BundleAsync(server, name), StringComparison.Ordinal);
            await IsCalledAsync(server, ns.Name, "during");
            var leaf = replica.Certificate.Current!.Thumbprint;

            time.Advance(now - time.GetUtcNow());
            var after = await BundleIsAsync(server, name, time, bundle => !bundle.StartsWith(first, StringComparison.Ordinal), "the next one first in the bundle");
            Assert.EndsWith(first, after, StringComparison.Ordinal);
            // Its certificate is of the old authority, and trusted as long as that one.
            Assert.Equal(leaf, replica.Certificate.Current.Thumbprint);
            await IsCalledAsync(server, ns.Name, "after");
            // A replica that starts now has one of the new authority.
            await using var another = new Replica(server.Client, options, TimeProvider.System);
            await Eventually.IsTrue(() => another.Certificate.IsReady, "ready");
            Assert.NotEqual(replica.Certificate.Current.Issuer, another.Certificate.Current!.Issuer);
            await using var other = await ServeAsync(another.Certificate);
            await server.Client.AdmissionregistrationV1.PatchValidatingWebhookConfigurationAsync(
                new V1Patch($$"""[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"{{other.Urls.First()}}/validate"}]""", V1Patch.PatchType.JsonPatch), name, cancellationToken: Ct);
            await IsCalledAsync(server, ns.Name, "another");

            // Somebody wipes it.
            await server.Client.AdmissionregistrationV1.PatchValidatingWebhookConfigurationAsync(
                new V1Patch("""[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]""", V1Patch.PatchType.JsonPatch), name, cancellationToken: Ct);
            await BundleIsAsync(server, name, time, bundle => bundle == after, "the bundle is back");
        }
        finally
        {
            await server.Client.AdmissionregistrationV1.DeleteValidatingWebhookConfigurationAsync(name, cancellationToken: CancellationToken.None);
        }
    }

    private static Task<V1Secret> CreateSecretAsync(KubeApiServer server, string ns) =>
        server.Client.CoreV1.CreateNamespacedSecretAsync(new V1Secret { Metadata = new V1ObjectMeta { Name = SecretName } }, ns, cancellationToken: Ct);

    private static async Task<WebApplication> ServeAsync(IWebhookCertificate certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var app = builder.Build();
        app.MapAdmission(
            "/validate",
            (request, _) => ValueTask.FromResult(new AdmissionAnswer { IsAllowed = false, Code = 422, Message = $"called for {request.Name}" }),
            new AdmissionOptions());
        await app.StartAsync(Ct);
        return app;
    }

    private static Task CreateWebhookAsync(KubeApiServer server, string name, string ns, string url) => server.ApplyAsync($$"""
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingWebhookConfiguration
        metadata: {name: {{name}} }
        webhooks:
        - name: hook.test.dev
          clientConfig: {url: "{{url}}" }
          rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps], scope: Namespaced}]
          objectSelector: {matchLabels: {hooked: {{ns}} } }
          failurePolicy: Fail
          sideEffects: None
          admissionReviewVersions: [v1]
          timeoutSeconds: 5
        """);

    // The server takes a change of the configuration up after a moment.
    private static Task<string> IsCalledAsync(KubeApiServer server, string ns, string name) => Eventually.Holds(
        async () =>
        {
            var map = new V1ConfigMap { Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["hooked"] = ns } } };
            try
            {
                await server.Client.CoreV1.CreateNamespacedConfigMapAsync(map, ns, dryRun: "All", cancellationToken: Ct);
                return "created";
            }
            catch (HttpOperationException e)
            {
                return e.Response.Content;
            }
        },
        answer => answer.Contains($"called for {name}", StringComparison.Ordinal),
        "the webhook's answer");

    private static async Task<string> BundleAsync(KubeApiServer server, string name)
    {
        var configuration = await server.Client.AdmissionregistrationV1.ReadValidatingWebhookConfigurationAsync(name, cancellationToken: Ct);
        return Encoding.UTF8.GetString(configuration.Webhooks[0].ClientConfig.CaBundle ?? []);
    }

    // It looks once a minute.
    private static Task<string> BundleIsAsync(KubeApiServer server, string name, FakeTimeProvider time, Func<string, bool> condition, string what) => Eventually.Holds(
        () =>
        {
            time.Advance(TimeSpan.FromSeconds(30));
            return BundleAsync(server, name);
        },
        condition,
        what);

    private sealed class Replica : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Replica(IKubernetes client, CertificateOptions options, TimeProvider time)
        {
            Certificate = new ServingCertificate(client, options, time, NullLogger.Instance);
            _running = Certificate.RunAsync(_stop.Token);
        }

        public ServingCertificate Certificate { get; }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
        }
    }
}
