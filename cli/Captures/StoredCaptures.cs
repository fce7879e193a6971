using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Premortem.Cli.Stores;
using Premortem.Contracts;

namespace Premortem.Cli.Captures;

/// <summary>The captures of a store, by their manifests alone: no cluster is needed, and those of pods long gone are there.</summary>
internal static class StoredCaptures
{
    /// <summary>The largest manifest that is read. A capture of 128 artifacts has one of 100 KB.</summary>
    internal const int MostManifestBytes = 4 << 20;

    private const int ManifestsAtOnce = 16;

    /// <param name="ns">A namespace alone; null: all.</param>
    /// <param name="since">Nothing that fired before.</param>
    /// <param name="damaged">Told of each manifest that cannot be read; the others are listed all the same.</param>
    internal static async Task<List<ListedCapture>> FindAsync(
        ICaptureStore store, string? ns, DateTimeOffset? since, Action<string> damaged, TimeProvider time, CancellationToken ct)
    {
        var keys = new List<string>();
        await foreach (var key in store.FindManifestsAsync(ns is null ? "" : ObjectPath.Segment(ns) + "/", ct))
            if (since is null || StartOf(key) is not { } start || start >= since.Value.AddSeconds(-1))
                keys.Add(key);
        var found = new ListedCapture?[keys.Count];
        await Parallel.ForAsync(0, keys.Count, new ParallelOptions { MaxDegreeOfParallelism = ManifestsAtOnce, CancellationToken = ct }, async (i, stop) =>
        {
            try
            {
                var manifest = Manifest.Parse(await Reading.WholeAsync(store, keys[i], MostManifestBytes, time, stop), store.Locate(keys[i]));
                found[i] = ListedCapture.Of(AsObject(manifest, store.Locate(FolderOf(keys[i]))));
            }
            catch (Exception e) when (e is VerbException or ReadException { IsTransient: false })
            {
                lock (found)
                    damaged(e.Message);
            }
        });
        if (keys.Count > 0 && found.All(capture => capture is null))
            throw new VerbException($"of {keys.Count} manifests in {store.Locate("")} none can be read");
        return [.. found.OfType<ListedCapture>().Where(capture => ns is null || capture.Namespace == ns)];
    }

    internal static string FolderOf(string manifestKey) => manifestKey[..^Names.Manifest.Length];

    // The folder's name begins with the second of the trigger, so that what is too old need not be read.
    private static DateTimeOffset? StartOf(string manifestKey) =>
        manifestKey.Split('/') is [.., { Length: > 16 } folder, _]
        && DateTimeOffset.TryParseExact(folder[..16], "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var start)
            ? start
            : null;

    /// <summary>The ProfileCapture that the operator would have made of a record, so that one query serves both.</summary>
    private static JsonElement AsObject(CaptureRecord record, string location)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("apiVersion", "premortem.dev/v1alpha1");
            json.WriteString("kind", "ProfileCapture");
            json.WriteStartObject("metadata");
            json.WriteString("name", $"{record.Target.Pod}-{record.Id}");
            json.WriteString("namespace", record.Target.Namespace);
            json.WriteString("creationTimestamp", record.StartedAt);
            json.WriteEndObject();
            json.WriteStartObject("spec");
            json.WriteString("podName", record.Target.Pod);
            json.WriteString("container", record.Target.Container);
            json.WriteString("policy", record.Policy.Name);
            json.WriteString("trigger", record.Trigger.Name);
            json.WriteEndObject();
            json.WriteStartObject("status");
            json.WriteString("phase", record.Phase.ToString());
            json.WriteString("captureId", record.Id);
            json.WriteString("container", record.Target.Container);
            if (record.Target.Node is { } node)
                json.WriteString("nodeName", node);
            json.WriteString("triggerReason", record.Trigger.Reason);
            json.WriteString("startedAt", record.StartedAt);
            if (record.CompletedAt is { } completed)
                json.WriteString("completedAt", completed);
            json.WriteStartObject("memory");
            json.WriteString("workingSet", Quantity.Format(record.Memory.WorkingSetBytes));
            if (record.Memory.LimitBytes is { } limit)
                json.WriteString("limit", Quantity.Format(limit));
            if (record.Memory.CeilingBytes is { } ceiling)
                json.WriteString("ceiling", Quantity.Format(ceiling));
            json.WriteString("summary", record.Memory.Summary);
            json.WriteEndObject();
            if (record.Outcome is { } outcome)
                json.WriteString("outcome", outcome.ToString());
            if (record.OutcomeReason is { } reason)
                json.WriteString("outcomeReason", reason);
            json.WriteString("location", location);
            json.WriteStartArray("artifacts");
            foreach (var artifact in record.Artifacts)
            {
                json.WriteStartObject();
                json.WriteString("type", artifact.Type);
                json.WriteString("key", artifact.Key);
                json.WriteNumber("bytes", artifact.Bytes);
                if (artifact.Sha256 is { } sha256)
                    json.WriteString("sha256", sha256);
                if (artifact.Error is { } error)
                    json.WriteString("error", error);
                if (artifact.Reason is { } word)
                    json.WriteString("reason", word);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("top");
            foreach (var entry in record.Top)
            {
                json.WriteStartObject();
                json.WriteString("name", entry.Name);
                json.WriteNumber("flatBytes", entry.FlatBytes);
                json.WriteString("flatPercent", entry.FlatPercent.ToString("0.0", CultureInfo.InvariantCulture));
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        using var document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }
}
