using System.Globalization;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Hosting;

/// <summary>Whether the pods of a cluster can have native sidecars: an older kubelet runs one as an ordinary init container, which never ends.</summary>
internal static class NativeSidecars
{
    /// <summary>On by default since then (SidecarContainers, beta).</summary>
    private static readonly (int Major, int Minor) s_first = (1, 29);

    /// <param name="kubelets">The versions of all kubelets of the cluster: <c>v1.29.3</c>, <c>v1.30.1-gke.12</c>.</param>
    /// <param name="server">The API server's; it counts too, since an older one drops the field.</param>
    public static bool Decide(NativeSidecarMode mode, IEnumerable<string?> kubelets, string? server) => mode switch
    {
        NativeSidecarMode.Always => true,
        NativeSidecarMode.Never => false,
        // Who does not say its version is not taken for a new one.
        _ => Has(server) && kubelets.All(Has),
    };

    public static IEnumerable<string?> Kubelets(IEnumerable<Node> nodes) => nodes
        // Windows pods get no sidecar; their kubelets do not matter.
        .Where(node => node.Status.NodeInfo?.OperatingSystem != "windows")
        .Select(node => node.Status.NodeInfo?.KubeletVersion);

    private static bool Has(string? version) => Parse(version) is { } parsed && parsed.CompareTo(s_first) >= 0;

    internal static (int Major, int Minor)? Parse(string? version)
    {
        var parts = (version ?? "").TrimStart('v').Split('.', 3);
        return parts.Length >= 2 && Number(parts[0]) is { } major && Number(parts[1]) is { } minor ? (major, minor) : null;

        // Some servers say "28+".
        static int? Number(string text) =>
            int.TryParse(text.AsSpan(0, text.TakeWhile(char.IsAsciiDigit).Count()), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }
}
