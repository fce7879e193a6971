using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>Reads it from the rundown at the end of a session that asked for the rundown's keyword GC (0x1).</summary>
public sealed class HeapConfigurationReader
{
    private const string Rundown = "Microsoft-Windows-DotNETRuntimeRundown";
    private const int SettingsEvent = 10;
    private const uint Concurrent = 1, Server = 8;

    /// <summary>Null: it has not come, and never comes from runtimes before .NET 5.</summary>
    public HeapConfiguration? Configuration { get; private set; }

    public void OnEvent(in NettraceEvent item)
    {
        if (item.Type.EventId != SettingsEvent || item.Type.Provider != Rundown)
            return;
        var reader = new PayloadReader(item.Payload);
        var limit = reader.Int64();
        // The threshold of large objects, the memory that was configured, the least and the largest generation 0, the share that is high.
        reader.Take(4 * 8 + 4);
        var bits = reader.UInt32();
        if (!reader.IsShort)
            Configuration = new HeapConfiguration(limit > 0 ? limit : null, (bits & Server) != 0, (bits & Concurrent) != 0);
    }
}
