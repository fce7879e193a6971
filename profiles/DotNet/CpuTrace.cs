using System.Globalization;
using System.Runtime.InteropServices;
using Premortem.Profiles.Nettrace;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.DotNet;

/// <summary>
/// Makes a pprof profile of the samples that a .NET runtime takes of its managed threads, as <c>dotnet-trace</c> has them recorded: the events
/// of Microsoft-DotNETCore-SampleProfiler with their stacks, and of the runtime and its rundown those that name methods. Feed it from a
/// <see cref="NettraceReader"/>.
/// </summary>
/// <remarks>
/// The runtime samples every managed thread, also one that waits. A thread that ran managed code counts as CPU time; one that did not was in
/// unmanaged code or waited, nobody knows which, and counts as wall time alone. PerfView calls the two CPU_TIME and UNMANAGED_CODE_TIME.
/// </remarks>
internal sealed class CpuTrace
{
    /// <summary>What stands at the end of stacks of threads that did not run managed code.</summary>
    internal const string Unmanaged = "(unmanaged code or waiting)";

    /// <summary>Frames that no method that was named has.</summary>
    internal const string Unknown = "unknown code";

    internal const string SampleProfiler = "Microsoft-DotNETCore-SampleProfiler";
    internal const string Rundown = "Microsoft-Windows-DotNETRuntimeRundown";
    internal const string EventPipe = "Microsoft-DotNETCore-EventPipe";

    // A compressed stream unpacks to a thousand times its size: what is kept of it is bounded.
    private const int MaxFrames = 4 << 20;
    private const int MaxSamples = 4 << 20;
    private const int MaxMethods = 1 << 20;
    private const int MaxModules = 64 * 1024;
    private const long MaxNameCharacters = 128L << 20;

    private const uint External = 1;

    // What runtimes are asked for where nobody says otherwise.
    private const long DefaultPeriod = 1_000_000;

    // Stacks by their outermost frames: a stack is the number of its innermost one, and those that begin alike share what is alike.
    private readonly Dictionary<(int Caller, ulong Address), int> _frames = [];
    private readonly List<(int Caller, ulong Address)> _frameTable = [(0, 0)];
    private readonly Dictionary<int, int> _stacks = [];
    private readonly Dictionary<(int Stack, long Thread, bool IsExternal), long> _samples = [];
    private readonly Dictionary<long, (long First, long Last, long Count)> _threads = [];
    private readonly List<Method> _methods = [];
    private readonly Dictionary<ulong, string> _modules = [];
    private long _nameCharacters;
    private string _program = "";
    private bool _isDamaged;

    /// <summary>The samples so far.</summary>
    internal long Count { get; private set; }

    private readonly record struct Method(ulong Start, ulong End, ulong Module, string Name, int Order);

    internal void OnStack(int id, ReadOnlySpan<byte> addresses, int pointerSize)
    {
        var frame = 0;
        for (var at = addresses.Length / pointerSize - 1; at >= 0; at--)
        {
            var address = pointerSize == 8
                ? MemoryMarshal.Read<ulong>(addresses[(at * pointerSize)..])
                : MemoryMarshal.Read<uint>(addresses[(at * pointerSize)..]);
            ref var callee = ref CollectionsMarshal.GetValueRefOrAddDefault(_frames, (frame, address), out var isKnown);
            if (!isKnown)
            {
                callee = _frameTable.Count;
                _frameTable.Add((frame, address));
            }
            frame = callee;
        }
        if (_frameTable.Count > MaxFrames || _stacks.Count > MaxFrames)
            throw new ProfileFormatException($"the trace has stacks of more than {MaxFrames} frames", 0);
        _stacks[id] = frame;
    }

    internal void OnEvent(in NettraceEvent item)
    {
        switch (item.Type.Provider, item.Type.EventId)
        {
            case (SampleProfiler, 0):
                OnSample(item);
                break;
            // A method was compiled; it is going; it was there at the session's start; it was there at its end.
            case (NettraceEventType.Runtime, 143 or 144):
            case (Rundown, 143 or 144):
                OnMethod(item);
                break;
            case (NettraceEventType.Runtime, 152 or 153):
            case (Rundown, 153 or 154):
                OnModule(item);
                break;
            case (EventPipe, 1):
                OnProcess(item);
                break;
        }
    }

    /// <param name="reader">What it was fed from.</param>
    internal PprofProfile ToProfile(NettraceReader reader)
    {
        var header = reader.Header!;
        var methods = Sorted(out var ends);
        var period = Period(header);
        var (first, last) = (_threads.Values.Min(thread => thread.First), _threads.Values.Max(thread => thread.Last));
        var writer = new ProfileWriter();
        writer.SampleType("samples", "count");
        writer.SampleType("cpu", "nanoseconds");
        writer.SampleType("wall", "nanoseconds");
        writer.Mapping(_program.Length > 0 ? _program : "dotnet", hasFunctions: true);
        // What has no name is in a mapping without any, and so pprof calls it by that mapping.
        var unknown = writer.Mapping(Unknown, hasFunctions: false);
        var locations = new Dictionary<ulong, int>();
        var unmanaged = 0;
        var unnamed = 0L;
        var stack = new List<int>();
        foreach (var ((innermost, thread, isExternal), count) in _samples)
        {
            stack.Clear();
            if (isExternal)
                stack.Add(unmanaged != 0 ? unmanaged : unmanaged = writer.Location(1, 0, Unmanaged));
            for (var frame = innermost; frame != 0; frame = _frameTable[frame].Caller)
            {
                // A caller's address is where it goes on, which may be behind its end where the call is the last it does.
                var address = _frameTable[frame].Address;
                if (frame != innermost && address > 0)
                    address--;
                ref var location = ref CollectionsMarshal.GetValueRefOrAddDefault(locations, address, out var isKnown);
                if (!isKnown)
                {
                    var method = Find(methods, ends, address);
                    unnamed += method is null ? 1 : 0;
                    location = method is null
                        ? writer.Location(unknown, address, null)
                        : writer.Location(writer.Mapping(ModuleOf(method.Value), hasFunctions: true), address, method.Value.Name);
                }
                stack.Add(location);
            }
            var time = count > long.MaxValue / period ? long.MaxValue : count * period;
            writer.Sample(stack, isExternal ? [0, 0, time] : [count, time, time], "thread", thread.ToString(CultureInfo.InvariantCulture));
        }
        if (!reader.HasEnded)
            writer.Comment("partial: the trace was cut" + (unnamed > 0 ? ", and methods that it would have named at its end are unknown code" : ""));
        if (reader.Dropped > 0)
            writer.Comment(string.Create(CultureInfo.InvariantCulture, $"partial: the runtime dropped {reader.Dropped} events"));
        if (_isDamaged)
            writer.Comment("partial: some events could not be read");
        return writer.ToProfile(header.StartedAt, header.Between(first, last), period, "cpu");
    }

    private void OnSample(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var kind = reader.UInt32();
        _isDamaged |= reader.IsShort;
        Count++;
        var key = (_stacks.GetValueOrDefault(item.StackId), item.ThreadId, kind == External);
        CollectionsMarshal.GetValueRefOrAddDefault(_samples, key, out _)++;
        ref var thread = ref CollectionsMarshal.GetValueRefOrAddDefault(_threads, item.ThreadId, out var isKnown);
        thread = (isKnown ? Math.Min(thread.First, item.Timestamp) : item.Timestamp, Math.Max(thread.Last, item.Timestamp), thread.Count + 1);
        if (_samples.Count > MaxSamples)
            throw new ProfileFormatException($"the trace has more than {MaxSamples} different samples", 0);
    }

    private void OnMethod(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        _ = reader.UInt64();
        var (module, start, bytes) = (reader.UInt64(), reader.UInt64(), reader.UInt32());
        // Its token and flags.
        reader.Take(8);
        var type = reader.Text();
        var name = reader.Text();
        var signature = reader.Text();
        if (reader.IsShort)
        {
            _isDamaged = true;
            return;
        }
        // Of the signature, what stands in front of the parameters is what it returns.
        var parameters = signature.IndexOf('(') is >= 0 and var at ? signature[at..] : default;
        var text = type.IsEmpty ? string.Concat(name, parameters) : string.Concat(type, ".", name, parameters);
        _nameCharacters += text.Length;
        if (_methods.Count >= MaxMethods || _nameCharacters > MaxNameCharacters)
            throw new ProfileFormatException($"the trace names more than {MaxMethods} methods, or with more than {MaxNameCharacters} characters", 0);
        _methods.Add(new Method(start, unchecked(start + bytes), module, text, _methods.Count));
    }

    private void OnModule(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var module = reader.UInt64();
        // Its assembly, flags, and what is reserved.
        reader.Take(8 + 4 + 4);
        var path = reader.Text();
        if (!reader.IsShort && path.Length > 0 && path.Length <= NettraceReader.MaxTextLength && _modules.Count < MaxModules)
            _modules[module] = path.ToString();
    }

    private void OnProcess(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var command = reader.Text();
        if (reader.IsShort || _program.Length > 0)
            return;
        // Only the program: what follows it may be secret.
        command = command.Trim();
        var isQuoted = command is ['"', ..];
        var end = isQuoted ? command[1..].IndexOf('"') + 1 : command.IndexOf(' ');
        _program = (end <= 0 ? command : command[(isQuoted ? 1 : 0)..end]).ToString();
        if (_program.Length > NettraceReader.MaxTextLength)
            _program = "";
    }

    private string ModuleOf(in Method method) => _modules.GetValueOrDefault(method.Module, "(dynamic code)");

    /// <summary>The time between two samples of a thread, on average: the runtime takes them later than it was asked to.</summary>
    private long Period(NettraceHeader header)
    {
        var (time, between) = (0.0, 0L);
        foreach (var (first, last, count) in _threads.Values)
        {
            time += header.Between(first, last).TotalNanoseconds;
            between += count - 1;
        }
        return between == 0 || time <= 0 ? DefaultPeriod : (long)Math.Clamp(Math.Round(time / between), 1, 60e9);
    }

    /// <summary>By address; where there are several of one address, what was told last holds.</summary>
    private Method[] Sorted(out ulong[] starts)
    {
        _methods.Sort((left, right) => left.Start.CompareTo(right.Start) is not 0 and var order ? order : left.Order.CompareTo(right.Order));
        var methods = new List<Method>(_methods.Count);
        foreach (var method in _methods)
        {
            if (methods.Count > 0 && methods[^1].Start == method.Start)
                methods.RemoveAt(methods.Count - 1);
            methods.Add(method);
        }
        starts = [.. methods.Select(method => method.Start)];
        return [.. methods];
    }

    private static Method? Find(Method[] methods, ulong[] starts, ulong address)
    {
        var at = Array.BinarySearch(starts, address);
        if (at < 0)
            at = ~at - 1;
        return at >= 0 && address < methods[at].End ? methods[at] : null;
    }
}
