using System.Text.Json;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Triggers;

/// <summary>The triggers' histories on disk, by target: a sidecar that is restarted keeps cooldowns and daily limits.</summary>
internal sealed class HistoryFile(string path)
{
    private readonly Lock _lock = new();
    private readonly Lock _writing = new();
    private readonly Dictionary<string, TriggerHistory> _histories = Read(path);

    public TriggerHistory For(string target)
    {
        lock (_lock)
            return _histories.GetValueOrDefault(target, TriggerHistory.Empty);
    }

    /// <summary>Takes note in memory; never waits for the disk.</summary>
    public void Note(string target, TriggerHistory history)
    {
        lock (_lock)
            _histories[target] = history;
    }

    /// <summary>Writes what was noted last, whichever thread comes first.</summary>
    /// <exception cref="IOException">It could not be written; what the file said before still stands.</exception>
    public void Write()
    {
        lock (_writing)
        {
            byte[] content;
            lock (_lock)
                content = JsonSerializer.SerializeToUtf8Bytes(_histories, TriggerHistoryJson.Default.DictionaryStringTriggerHistory);
            DurableFile.Replace(path, content, durable: false);
        }
    }

    private static Dictionary<string, TriggerHistory> Read(string path)
    {
        try
        {
            var read = JsonSerializer.Deserialize(File.ReadAllBytes(path), TriggerHistoryJson.Default.DictionaryStringTriggerHistory) ?? [];
            return read.Where(pair => pair.Value is { LastFired: not null, Captures: not null }).ToDictionary();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // None yet, or a damaged one: to capture once more is better than not at all.
            return [];
        }
    }
}
