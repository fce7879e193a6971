using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Docs;

public sealed class PolicyFieldsTests
{
    [Fact]
    public void The_reference_of_fields_is_what_the_CRDs_say()
    {
        var path = Repository.Path("docs", "reference", "policy-fields.md");
        var page = PolicyFieldsPage.Render();
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, page);
        Assert.True(File.Exists(path), "docs/reference/policy-fields.md is missing: run eng/policy-fields");
        Assert.True(File.ReadAllText(path) == page, "docs/reference/policy-fields.md is not what crds/ say: run eng/policy-fields");
    }
}
