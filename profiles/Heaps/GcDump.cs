using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Writes a heap as a <c>.gcdump</c>, for PerfView and Visual Studio: the object <c>GCHeapDump</c> around a <c>Graphs.MemoryGraph</c>, in the
/// format FastSerialization. Its source is the code that reads it, in github.com/microsoft/perfview (src/FastSerialization, src/MemoryGraph,
/// src/HeapDump). What holds objects is named as there.
/// </summary>
internal static class GcDump
{
    private const byte NullReference = 1, BeginObject = 4, EndObject = 6, TaggedByte = 8, TaggedRegion = 12, TaggedString = 13;
    private const string Undefined = "UNDEFINED";

    /// <exception cref="ArgumentException">The heap is larger than the format can say.</exception>
    internal static void Write(HeapGraph graph, Stream stream)
    {
        var output = new Output(stream);
        output.Text("!FastSerialization.1");
        output.Begin("GCHeapDump", 10, 8);
        output.Begin("Graphs.MemoryGraph", 1, 0);
        new Nodes(graph).Write(output);
        output.Byte(TaggedByte);
        output.Byte(graph.PointerSize == 8 ? (byte)1 : (byte)0);
        output.Byte(EndObject);

        output.Byte(graph.PointerSize == 8 ? (byte)1 : (byte)0);
        // Nothing was sampled: counts and sizes stand for themselves.
        output.Int32(BitConverter.SingleToInt32Bits(1));
        output.Int32(BitConverter.SingleToInt32Bits(1));
        // No heap of JavaScript, and no segments.
        output.Byte(NullReference);
        output.Byte(NullReference);
        output.Text(graph.IsPartial ? string.Create(CultureInfo.InvariantCulture, $"Only a part of the heap was seen: {graph.Objects} objects.") : null);
        output.Int64(graph.TakenAt.UtcTicks);
        output.Text(null);
        output.Text(null);
        output.Int32(graph.ProcessId);
        output.Int64(0);
        output.Int64(0);
        output.Int32(0);
        // No interop objects; whoever does not know the field leaps to where the first forward reference leads.
        output.Byte(TaggedRegion);
        output.Int32(0);
        output.Byte(NullReference);
        var afterInterop = output.Position;
        output.Byte(TaggedString);
        output.Text("premortem");
        output.Byte(EndObject);

        // The end of all objects, where forward references lead, and where to find that.
        output.Byte(EndObject);
        var references = output.Position;
        output.Int32(1);
        output.Label(afterInterop);
        var trailer = output.Position;
        output.Label(references);
        output.Label(trailer);
        output.Flush();
    }

    /// <summary>The nodes of the file: the objects, what holds them by name, and one that holds all of these.</summary>
    private sealed class Nodes
    {
        private readonly HeapGraph _graph;
        private readonly List<(string Name, List<int> Children)> _holders = [];
        private readonly Dictionary<string, int> _holderOf = new(StringComparer.Ordinal);
        private readonly int[] _typeSizes;

        public Nodes(HeapGraph graph)
        {
            _graph = graph;
            var top = Holder("[.NET Roots]", parent: -1);
            for (var i = 0; i < graph.Roots.Count; i++)
            {
                var root = graph.Roots[i];
                for (var at = graph.Starts[graph.Objects + i]; at < graph.Starts[graph.Objects + i + 1]; at++)
                    _holders[HolderOf(root, graph.References[at], top) - graph.Objects].Children.Add(graph.References[at]);
            }
            _typeSizes = new int[graph.TypeNames.Length];
            Array.Fill(_typeSizes, -1);
            for (var i = 0; i < graph.Objects; i++)
                if (_typeSizes[graph.TypeOf[i]] < 0)
                    _typeSizes[graph.TypeOf[i]] = Size(i);
        }

        private int Count => _graph.Objects + _holders.Count;

        public void Write(Output output)
        {
            long total = 0;
            for (var i = 0; i < _graph.Objects; i++)
                total += Size(i);
            output.Int64(total);
            output.Int32(_graph.Objects);
            // The first type is of what is referred to and not there; it stands at the start of the nodes.
            output.Int32(1 + _graph.TypeNames.Length + _holders.Count);
            WriteType(output, Undefined, 0);
            for (var i = 0; i < _graph.TypeNames.Length; i++)
                WriteType(output, Spelled(_graph.TypeNames[i]), _typeSizes[i]);
            foreach (var (name, _) in _holders)
                WriteType(output, name, 0);
            output.Int32(Count);
            var place = 2L;
            var measure = new Output(null);
            for (var i = 0; i < Count; i++)
            {
                output.Label(place);
                WriteNode(measure, i);
                place = 2 + measure.Position;
            }
            if (place > int.MaxValue)
                throw new ArgumentException($"the heap is larger than a .gcdump can be: {place} bytes of nodes, where at most {int.MaxValue} can be told");
            output.Int32((int)place);
            output.Byte(0);
            output.Byte(0);
            for (var i = 0; i < Count; i++)
                WriteNode(output, i);
            output.Int32(Count);
            for (var i = 0; i < Count; i++)
                output.Int64(i < _graph.Objects ? (long)_graph.Addresses[i] : 0);
        }

        private static void WriteType(Output output, string name, int size)
        {
            output.Text(name);
            output.Int32(size);
            output.Text(null);
        }

        private void WriteNode(Output output, int node)
        {
            if (node >= _graph.Objects)
            {
                var (_, children) = _holders[node - _graph.Objects];
                output.Compressed((1 + _graph.TypeNames.Length + node - _graph.Objects) << 1);
                output.Compressed(children.Count);
                foreach (var child in children)
                    output.Compressed(child - node);
                return;
            }
            var (type, size) = (_graph.TypeOf[node], Size(node));
            output.Compressed(((1 + type) << 1) | (size == _typeSizes[type] ? 0 : 1));
            if (size != _typeSizes[type])
                output.Compressed(size);
            output.Compressed(_graph.Starts[node + 1] - _graph.Starts[node]);
            for (var at = _graph.Starts[node]; at < _graph.Starts[node + 1]; at++)
                output.Compressed(_graph.References[at] - node);
        }

        private int HolderOf(HeapRoot root, int target, int top) => root.Kind switch
        {
            HeapRootKind.Static => Holder($"[static var {Spelled(_graph.TypeNames[_graph.TypeOf[target]])}.{root.Variable}]", Holder("[static vars]", top)),
            HeapRootKind.ThreadStatic => Holder($"[static var {Spelled(_graph.TypeNames[_graph.TypeOf[target]])}.{root.Variable}]", Holder("[thread static vars]", top)),
            HeapRootKind.Stack => Holder("[local vars]", top),
            HeapRootKind.CountedHandle => Holder("[COM/WinRT Objects]", Holder("[other roots]", top)),
            HeapRootKind.Finalizer => Holder("[finalizer Handles]", Holder("[other roots]", top)),
            HeapRootKind.PinnedHandle => Holder("[pinning Handles]", Holder("[other roots]", top)),
            HeapRootKind.Handle => Holder("[strong Handles]", Holder("[other roots]", top)),
            _ => Holder("[other Handles]", Holder("[other roots]", top)),
        };

        private int Holder(string name, int parent)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"{parent}/{name}");
            if (_holderOf.TryGetValue(key, out var node))
                return node;
            node = _graph.Objects + _holders.Count;
            _holders.Add((name, []));
            _holderOf.Add(key, node);
            if (parent >= 0)
                _holders[parent - _graph.Objects].Children.Add(node);
            return node;
        }

        private int Size(int node) => (int)Math.Min(_graph.BytesOf(node), int.MaxValue);

        /// <summary>As C# spells it: List&lt;Order&gt; where the runtime says List`1[Order]; arrays keep their brackets.</summary>
        private static string Spelled(string name)
        {
            var text = new StringBuilder(name.Length);
            for (var i = 0; i < name.Length; i++)
            {
                if (name[i] == '`' && i + 1 < name.Length && char.IsAsciiDigit(name[i + 1]))
                    while (i + 1 < name.Length && char.IsAsciiDigit(name[i + 1]))
                        i++;
                else if (name[i] == '[' && i + 1 < name.Length && name[i + 1] == ']')
                    text.Append(name, i++, 2);
                else
                    text.Append(name[i] switch { '[' => '<', ']' => '>', var other => other });
            }
            return text.ToString();
        }
    }

    /// <param name="stream">Null: only count.</param>
    private sealed class Output(Stream? stream)
    {
        private readonly byte[] _buffer = new byte[64 << 10];
        private int _used;

        public long Position { get; private set; }

        public void Byte(byte value)
        {
            Position++;
            if (stream is null)
                return;
            if (_used == _buffer.Length)
                Flush();
            _buffer[_used++] = value;
        }

        public void Int32(int value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            foreach (var b in bytes)
                Byte(b);
        }

        public void Int64(long value)
        {
            Int32((int)value);
            Int32((int)(value >> 32));
        }

        /// <summary>A place in the file, or among the nodes: four bytes without a sign.</summary>
        public void Label(long place) => Int32((int)Math.Min(place, uint.MaxValue));

        /// <summary>UTF-16's units one by one as UTF-8 has them, with their count before them.</summary>
        public void Text(string? text)
        {
            Int32(text?.Length ?? -1);
            foreach (var c in text ?? "")
            {
                if (c < 0x80)
                {
                    Byte((byte)c);
                    continue;
                }
                Byte((byte)(c < 0x800 ? 0xC0 | (c >> 6) : 0xE0 | (c >> 12)));
                if (c >= 0x800)
                    Byte((byte)(0x80 | ((c >> 6) & 0x3F)));
                Byte((byte)(0x80 | (c & 0x3F)));
            }
        }

        /// <summary>Begins an object of a type that has not come before.</summary>
        public void Begin(string type, int version, int minimumReader)
        {
            Byte(BeginObject);
            Byte(BeginObject);
            Byte(NullReference);
            Int32(version);
            Int32(minimumReader);
            Text(type);
            Byte(EndObject);
        }

        /// <summary>Seven bits a byte, the highest first, with the sign.</summary>
        public void Compressed(int value)
        {
            var bytes = 1;
            while (bytes < 5 && value << (32 - 7 * bytes) >> (32 - 7 * bytes) != value)
                bytes++;
            for (var i = bytes - 1; i > 0; i--)
                Byte((byte)((value >> (7 * i)) | 0x80));
            Byte((byte)(value & 0x7F));
        }

        public void Flush()
        {
            stream?.Write(_buffer, 0, _used);
            _used = 0;
        }
    }
}
