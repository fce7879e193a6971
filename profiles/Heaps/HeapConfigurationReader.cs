using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>Reads it from the rundown at the end of a session that asked for the rundown's keyword GC (0x1).</summary>
public sealed class HeapConfigurationReader
{
    private const string Rundown = "Microsoft-Windows-DotNETRuntimeRundown";
    private const int SettingsEvent = 10, RuntimeEvent = 187;
    private const uint Concurrent = 0x1, Server = 0x1000;

    private long? _limit;
    private uint? _flags;

    /// <summary>Null: it has not come, and never comes from runtimes before .NET 5.</summary>
    public HeapConfiguration? Configuration => _limit is { } limit && _flags is { } flags
        ? new HeapConfiguration(limit > 0 ? limit : null, (flags & Server) != 0, (flags & Concurrent) != 0)
        : null;

    public void OnEvent(in NettraceEvent item)
    {
        if (item.Type.Provider != Rundown)
            return;
        var reader = new PayloadReader(item.Payload);
        switch (item.Type.EventId)
        {
            case SettingsEvent:
                // The limit stands first; of what follows, nothing says how the collector works.
                var limit = reader.Int64();
                _limit = reader.IsShort ? null : limit;
                break;
            case RuntimeEvent:
                // The runtime's instance, its edition, and two versions of four numbers; then the flags that it was started with.
                reader.Take(2 + 2 + 8 + 8);
                var flags = reader.UInt32();
                _flags = reader.IsShort ? null : flags;
                break;
        }
    }
}
