using System.Text.Json;
using System.Text.Json.Serialization;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Which requests are done, by UID: each is served once, whatever the settings go on saying and however often the sidecar starts. Safe from any
/// thread.
/// </summary>
internal sealed class RequestLedger
{
    /// <summary>The operator takes a request out of the settings once it has heard of its capture: what is older than this many is long gone.</summary>
    internal const int Most = 512;

    private readonly string _path;
    private readonly Lock _lock = new();
    private readonly List<string> _done;

    /// <param name="begun">The requests whose captures are in the spool: they may have been begun moments before the sidecar was killed.</param>
    public RequestLedger(string path, IEnumerable<string> begun)
    {
        _path = path;
        _done = Read(path);
        foreach (var uid in begun)
            if (!_done.Contains(uid))
                _done.Add(uid);
    }

    public bool IsDone(string uid)
    {
        lock (_lock)
            return _done.Contains(uid);
    }

    /// <exception cref="IOException">It could not be written: in this life of the sidecar it is done all the same.</exception>
    public void Done(string uid)
    {
        lock (_lock)
        {
            if (_done.Contains(uid))
                return;
            _done.Add(uid);
            if (_done.Count > Most)
                _done.RemoveRange(0, _done.Count - Most);
            DurableFile.Replace(_path, JsonSerializer.SerializeToUtf8Bytes(_done, RequestsJson.Default.ListString), durable: false);
        }
    }

    private static List<string> Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), RequestsJson.Default.ListString)?.Where(uid => uid is not null).TakeLast(Most).ToList() ?? [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // None yet, or a damaged one: to capture once more is better than never again.
            return [];
        }
    }
}

[JsonSerializable(typeof(List<string>))]
internal sealed partial class RequestsJson : JsonSerializerContext;
