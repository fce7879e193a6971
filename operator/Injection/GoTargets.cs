using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;

namespace Premortem.Operator.Injection;

/// <summary>What a Go container is given where its policy wants to know of its collections: <c>gctrace=1</c> in <c>GODEBUG</c>.</summary>
internal static class GoTargets
{
    private const string Variable = "GODEBUG", Setting = "gctrace", On = Setting + "=1";

    public static void Trace(WatchedContainer target, PodPatch patch, List<string> warnings)
    {
        // Any other program that gets it does not know it.
        if (!target.Policy.Spec.Go.GcTrace || target.Policy.Spec.Runtime == RuntimeKind.DotNet)
            return;
        var container = target.Container;
        // The last one of a name counts.
        for (var i = container.Environment.Count - 1; i >= 0; i--)
        {
            var variable = container.Environment[i];
            if (variable.Text("name") != Variable)
                continue;
            var value = variable.Text("value") ?? "";
            if (variable.Has("valueFrom"))
                warnings.Add($"container {target.Name} takes {Variable} from elsewhere: append ',{On}' there to have its collections traced (spec.go.gcTrace)");
            else if (!value.Split(',').Any(setting => setting.Trim().StartsWith(Setting + "=", StringComparison.Ordinal)))
                patch.Set($"{container.Pointer}/env/{i}/value", value.Length == 0 ? On : $"{value},{On}");
            return;
        }
        patch.Append(container.Fields, container.Pointer, "env", new JsonObject { ["name"] = Variable, ["value"] = On });
    }
}
