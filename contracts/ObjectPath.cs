using System.Globalization;
using System.Text;

namespace Premortem.Contracts;

/// <summary>Keys in the bucket: <c>namespace/workload/pod/container/yyyyMMddTHHmmssZ-trigger-id/file</c>, behind the store's prefix.</summary>
public static class ObjectPath
{
    /// <summary>The folder of a capture, with a slash at its end. Every part is made safe for a key, a path and a URL.</summary>
    public static string Folder(string @namespace, string workload, string pod, string container, DateTimeOffset at, string trigger, string id) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Segment(@namespace)}/{Segment(workload)}/{Segment(pod)}/{Segment(container)}/{at.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}-{Segment(trigger)}-{Segment(id)}/");

    /// <summary>Joins a store's prefix (which may be empty or have slashes at its ends) and a key.</summary>
    public static string Join(string prefix, string key)
    {
        var trimmed = prefix.Trim('/');
        return trimmed.Length == 0 ? key : $"{trimmed}/{key}";
    }

    /// <summary>
    /// One part of a key from a name that may come from a watched process: letters, digits, dot, dash and underscore stay, all else
    /// becomes a dash; never empty, never only dots, at most 63 characters.
    /// </summary>
    public static string Segment(string name)
    {
        var safe = new StringBuilder(Math.Min(name.Length, 63));
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, 63)))
            safe.Append(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-');
        var text = safe.ToString();
        return text.Any(c => c is not ('.' or '-')) ? text : "unnamed";
    }
}
