using System.Reflection;

namespace Premortem.Operator.Hosting;

/// <summary>What this program calls itself.</summary>
internal static class Product
{
    public static string Version { get; } =
        typeof(Product).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The version without what was built from: <c>0.1.0</c>.</summary>
    public static string Release { get; } = Version.Split('+')[0];

    public static string NameAndVersion { get; } = $"premortem-operator {Version}";
}
