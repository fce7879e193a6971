using Premortem.Runtime.Certificates;
using Xunit;

namespace Premortem.Runtime.Tests.Certificates;

public sealed class CaBundleInjectorTests
{
    [Fact]
    public void Only_webhooks_with_another_bundle_are_patched_and_each_is_tested_for()
    {
        var configuration = new WebhookConfiguration
        {
            Webhooks = [new Webhook("right", new WebhookClientConfig("QQ==")), new Webhook("wrong", new WebhookClientConfig("Qg==")), new Webhook("empty", new WebhookClientConfig(null))],
        };
        Assert.Equal(
            """[{"op":"test","path":"/webhooks/1/name","value":"wrong"},{"op":"add","path":"/webhooks/1/clientConfig/caBundle","value":"QQ=="},{"op":"test","path":"/webhooks/2/name","value":"empty"},{"op":"add","path":"/webhooks/2/clientConfig/caBundle","value":"QQ=="}]""",
            CaBundleInjector.Patch(configuration, "QQ==").ToJsonString(ResourceJson.Options));
    }

    [Fact]
    public void Nothing_is_patched_where_all_have_it() =>
        Assert.Empty(CaBundleInjector.Patch(new WebhookConfiguration { Webhooks = [new Webhook("right", new WebhookClientConfig("QQ=="))] }, "QQ=="));
}
