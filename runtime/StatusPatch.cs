using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Runtime;

/// <summary>What has to be written so that a status is what it should be: only what differs, and nothing where nothing does.</summary>
public static class StatusPatch
{
    /// <param name="has">The status as it was read. Fields that its type does not have stay what they are.</param>
    /// <param name="wants">The status as it should be; what is null here is removed.</param>
    /// <param name="resourceVersion">Refuse the write if the object has changed since; null: write it anyway.</param>
    /// <returns>For <see cref="ResourceApi{T}.PatchStatusAsync"/>; null: there is nothing to write.</returns>
    public static ResourcePatch.Merge? Between<TStatus>(TStatus? has, TStatus wants, string? resourceVersion = null)
        where TStatus : class
    {
        var difference = Difference(ToObject(has), ToObject(wants));
        if (difference.Count == 0)
            return null;
        var body = new JsonObject { ["status"] = difference };
        if (resourceVersion is not null)
            body["metadata"] = new JsonObject { ["resourceVersion"] = resourceVersion };
        return new ResourcePatch.Merge(body);
    }

    private static JsonObject ToObject<TStatus>(TStatus? status)
        where TStatus : class =>
        status is null ? [] : (JsonObject)JsonSerializer.SerializeToNode(status, ResourceJson.Options)!;

    // RFC 7386: objects are merged, everything else is replaced, null removes.
    private static JsonObject Difference(JsonObject has, JsonObject wants)
    {
        var difference = new JsonObject();
        foreach (var (name, _) in has)
            if (!wants.ContainsKey(name))
                difference[name] = null;
        foreach (var (name, wanted) in wants)
        {
            var old = has[name];
            if (JsonNode.DeepEquals(old, wanted))
                continue;
            difference[name] = old is JsonObject before && wanted is JsonObject after ? Difference(before, after) : wanted?.DeepClone();
        }
        return difference;
    }
}
