using System.Runtime.InteropServices;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.DotNet;

/// <summary>Puts a profile together from what is not one.</summary>
internal sealed class ProfileWriter
{
    private readonly ProtoWriter _output = new();
    private readonly ProtoWriter _part = new();
    private readonly ProtoWriter _inner = new();
    private readonly Dictionary<string, int> _strings = new() { [""] = 0 };
    private readonly List<string> _stringTable = [""];
    private readonly Dictionary<string, int> _mappings = [];
    private readonly Dictionary<string, int> _functions = [];
    private int _locations;

    internal void SampleType(string type, string unit)
    {
        WriteType(type, unit);
        _output.Message(1, _part);
    }

    /// <returns>Its id. There is one for each file.</returns>
    internal int Mapping(string file, bool hasFunctions)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_mappings, file, out var isKnown);
        if (isKnown)
            return id;
        id = _mappings.Count;
        _part.Number(1, id);
        _part.Number(5, StringOf(file));
        _part.Number(7, hasFunctions ? 1 : 0);
        _output.Message(3, _part);
        return id;
    }

    /// <param name="function">The function's name; null: not known.</param>
    /// <returns>Its id.</returns>
    internal int Location(int mapping, ulong address, string? function)
    {
        var functionId = function is null ? 0 : FunctionOf(function);
        _part.Number(1, ++_locations);
        _part.Number(2, mapping);
        _part.Number(3, (long)address);
        if (functionId != 0)
        {
            _inner.Number(1, functionId);
            _part.Message(4, _inner);
        }
        _output.Message(4, _part);
        return _locations;
    }

    /// <param name="locations">Their ids, the innermost first.</param>
    /// <param name="label">Null: it has none.</param>
    /// <param name="text">What the label says.</param>
    internal void Sample(List<int> locations, ReadOnlySpan<long> values, string? label = null, string text = "")
    {
        foreach (var location in locations)
            _inner.Varint((ulong)location);
        _part.Message(1, _inner);
        foreach (var value in values)
            _inner.Varint((ulong)value);
        _part.Message(2, _inner);
        if (label is not null)
        {
            _inner.Number(1, StringOf(label));
            _inner.Number(2, StringOf(text));
            _part.Message(3, _inner);
        }
        _output.Message(2, _part);
    }

    internal void Comment(string text) => _output.Number(13, StringOf(text));

    /// <param name="time">When; the default: not known.</param>
    /// <param name="sampleType">What is meant where nobody says.</param>
    /// <param name="unit">Its unit.</param>
    internal PprofProfile ToProfile(DateTimeOffset time, TimeSpan duration, long period, string sampleType, string unit = "nanoseconds")
    {
        _output.Number(9, time != default && (time - DateTimeOffset.UnixEpoch).Ticks is var ticks && Math.Abs(ticks) < long.MaxValue / 100 ? ticks * 100 : 0);
        _output.Number(10, Math.Min(duration.Ticks, long.MaxValue / 100) * 100);
        WriteType(sampleType, unit);
        _output.Message(11, _part);
        _output.Number(12, period);
        _output.Number(14, StringOf(sampleType));
        foreach (var text in _stringTable)
            _output.Bytes(6, Encoding.UTF8.GetBytes(text));
        var data = _output.Written.ToArray();
        return new PprofProfile(data, data.Length);
    }

    private void WriteType(string type, string unit)
    {
        _part.Number(1, StringOf(type));
        _part.Number(2, StringOf(unit));
    }

    private int FunctionOf(string name)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_functions, name, out var isKnown);
        if (isKnown)
            return id;
        id = _functions.Count;
        _part.Number(1, id);
        _part.Number(2, StringOf(name));
        _part.Number(3, StringOf(name));
        _output.Message(5, _part);
        return id;
    }

    private int StringOf(string text)
    {
        ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(_strings, text, out var isKnown);
        if (isKnown)
            return index;
        _stringTable.Add(text);
        return index = _stringTable.Count - 1;
    }
}
