namespace Premortem.Testing;

/// <summary>What an API server of a test's own is started with.</summary>
public sealed record KubeApiServerOptions
{
    /// <summary>Flags after ours: the last of a name counts.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];

    /// <summary>Whether kube-controller-manager runs too: namespaces end, owners take what they own with them, every namespace has its service account.</summary>
    public bool Controllers { get; init; }
}
