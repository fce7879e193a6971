using System.Reflection;

namespace Premortem.Sidecar.Hosting;

/// <summary>What this program calls itself.</summary>
internal static class Product
{
    public static string Version { get; } =
        typeof(Product).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public static string NameAndVersion { get; } = $"premortem-sidecar {Version}";
}
