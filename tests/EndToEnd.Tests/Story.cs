using System.Text.RegularExpressions;
using Premortem.Testing;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>What a story's class is made from. A story plays in a <see cref="Shop"/>; when it fails, what was to be seen there lies in artifacts/e2e.</summary>
public abstract partial class Story(Ground ground) : IAsyncLifetime
{
    private readonly List<Shop> _shops = [];

    protected Cluster Cluster => ground.Cluster;

    protected Bucket Bucket => ground.Bucket;

    protected Release Release => ground.Release;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        // Known here, when the test's own method has returned.
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
        {
            var folder = Repository.Path("artifacts", "e2e", NotInNames().Replace(TestContext.Current.Test!.TestDisplayName, "-"));
            foreach (var shop in _shops)
                await shop.CollectAsync(folder);
            TestContext.Current.TestOutputHelper?.WriteLine($"what was to be seen: {folder}");
        }
        foreach (var shop in _shops)
            await shop.DisposeAsync();
    }

    /// <summary>A namespace of the story's own, with a Secret for the bucket.</summary>
    /// <param name="name">A word for its name.</param>
    /// <param name="labels">On the namespace.</param>
    protected async Task<Shop> OpenShopAsync(string name, IDictionary<string, string>? labels = null)
    {
        var shop = await Shop.OpenAsync(ground, name, labels);
        _shops.Add(shop);
        return shop;
    }

    protected static void Say(string line) => TestContext.Current.TestOutputHelper?.WriteLine(line);

    [GeneratedRegex("[^A-Za-z0-9_.-]+")]
    private static partial Regex NotInNames();
}
