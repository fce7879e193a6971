using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Operator.Injection;

/// <summary>
/// What a .NET container is given: where its runtime dials the sidecar, and the volume in which that socket and its dumps stand. Beside
/// <see cref="GoTargets"/> these are the only changes that are made to a container of the user's.
/// </summary>
internal static class DotNetTargets
{
    private const string Ports = "DiagnosticPorts";
    private const string Port = Names.DiagnosticPortFile + ",connect,nosuspend";
    private static readonly string[] Prefixes = ["DOTNET_", "COMPlus_", "ASPNETCORE_"];

    /// <summary>Gives what is missing to one container; false: it is no .NET, or is left alone for the reason that is added to the warnings.</summary>
    public static bool Connect(WatchedContainer target, string volume, PodPatch patch, List<string> warnings)
    {
        var container = target.Container;
        if (!IsDotNet(target))
            return false;
        if (Variable(container, "EnableDiagnostics") is { } off && off.Fields.Text("value") == "0" || Variable(container, "EnableDiagnostics_IPC") is { } ipc && ipc.Fields.Text("value") == "0")
        {
            warnings.Add($"container {target.Name} switches its diagnostics off (DOTNET_EnableDiagnostics): no .NET profiles can be had of it");
            return false;
        }
        if (container.VolumeMounts.Any(mount => mount.Text("mountPath")?.TrimEnd('/') == Names.SharedDirectory))
        {
            warnings.Add($"container {target.Name} has a volume of its own at {Names.SharedDirectory}: it is not given the diagnostic port");
            return false;
        }
        var ports = Variable(container, Ports);
        if (ports is { } from && from.Fields.Has("valueFrom"))
        {
            warnings.Add($"container {target.Name} takes DOTNET_{Ports} from elsewhere: append ';{Port}' there to have it profiled by way of the port");
            return false;
        }
        if (ports is null)
            patch.Append(container.Fields, container.Pointer, "env", new JsonObject { ["name"] = "DOTNET_" + Ports, ["value"] = Port });
        else if (ports.Value.Fields.Text("value")?.TrimEnd(';') is not { Length: > 0 } value)
            patch.Set($"{container.Pointer}/env/{ports.Value.Index}/value", Port);
        else if (!value.Contains(Names.DiagnosticPortFile, StringComparison.Ordinal))
            patch.Set($"{container.Pointer}/env/{ports.Value.Index}/value", $"{value};{Port}");
        patch.Append(container.Fields, container.Pointer, "volumeMounts", new JsonObject { ["name"] = volume, ["mountPath"] = Names.SharedDirectory });
        return true;
    }

    private static bool IsDotNet(WatchedContainer target) => target.Policy.Spec.Runtime switch
    {
        RuntimeKind.DotNet => true,
        RuntimeKind.Auto => LooksLikeDotNet(target.Container),
        _ => false,
    };

    /// <summary>By what its user says of it: the image cannot be looked into from here.</summary>
    private static bool LooksLikeDotNet(ContainerView container) =>
        container.Environment.Any(variable => variable.Text("name") is { } name && Prefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
        || container.Fields.Texts("command").Concat(container.Fields.Texts("args")).Any(NamesDotNet)
        || container.Fields.Text("image")?.StartsWith("mcr.microsoft.com/dotnet/", StringComparison.Ordinal) == true;

    /// <summary><c>dotnet</c>, <c>/usr/bin/dotnet</c>, <c>shop.dll</c>, and <c>exec dotnet shop.dll</c> within a shell's line.</summary>
    private static bool NamesDotNet(string argument)
    {
        foreach (var range in argument.AsSpan().Split(' '))
        {
            var word = argument.AsSpan()[range].Trim("\"'");
            if (word is "dotnet" || word.EndsWith("/dotnet") || word.EndsWith(".dll"))
                return true;
        }
        return false;
    }

    /// <summary>The last one of a name counts, and the newer prefix before the older.</summary>
    private static (PodFields Fields, int Index)? Variable(ContainerView container, string name)
    {
        foreach (var prefix in (ReadOnlySpan<string>)["DOTNET_", "COMPlus_"])
            for (var i = container.Environment.Count - 1; i >= 0; i--)
                if (container.Environment[i].Text("name") == prefix + name)
                    return (container.Environment[i], i);
        return null;
    }
}
