using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>Reads the event that says what types are called: <c>GCBulkType</c>, which comes with heaps.</summary>
internal static class BulkTypes
{
    /// <summary>Told a type, and its name where the runtime has one.</summary>
    internal delegate void Named(ulong type, ReadOnlySpan<char> name);

    /// <returns>Whether it was whole; what came before the damage is told all the same.</returns>
    internal static bool Read(in NettraceEvent item, Named named)
    {
        var reader = new PayloadReader(item.Payload);
        var count = reader.UInt32();
        _ = reader.UInt16();
        for (var i = 0; i < count && !reader.IsShort; i++)
        {
            var type = reader.UInt64();
            // Its module, its number in there, flags, and what kind of type it is.
            reader.Take(8 + 4 + 4 + 1);
            var name = reader.Text();
            var parameters = reader.UInt32();
            if (parameters > reader.Left / sizeof(ulong))
                return false;
            reader.Take((int)parameters * sizeof(ulong));
            named(type, name);
        }
        return !reader.IsShort;
    }
}
