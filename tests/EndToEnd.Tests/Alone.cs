using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>For stories that break what others stand on: the operator, the node, the bucket's server. They come after all others, one by one.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "Alone";
}
