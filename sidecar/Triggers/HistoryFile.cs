using System.Text.Json;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Triggers;

/// <summary>The triggers' histories on disk, by target: a sidecar that is restarted keeps cooldowns and daily limits.</summary>
internal sealed class HistoryFile(string path)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, TriggerHistory> _histories = Read(path);

    public TriggerHistory For(string target)
    {
        lock (_lock)
            return _histories.GetValueOrDefault(target, TriggerHistory.Empty);
    }

    /// <exception cref="IOException">It could not be written; what it said before still stands.</exception>
    public void Keep(string target, TriggerHistory history)
    {
        lock (_lock)
        {
            _histories[target] = history;
            DurableFile.Replace(path, JsonSerializer.SerializeToUtf8Bytes(_histories, TriggerHistoryJson.Default.DictionaryStringTriggerHistory), durable: false);
        }
    }

    private static Dictionary<string, TriggerHistory> Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), TriggerHistoryJson.Default.DictionaryStringTriggerHistory) ?? [];
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // None yet, or a damaged one: to capture once more is better than not at all.
            return [];
        }
    }
}
