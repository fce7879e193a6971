using FastSerialization;

namespace Premortem.Profiles.Tests.Heaps;

/// <summary>
/// Reads a .gcdump over the library that PerfView reads it with, field for field as its GCHeapDump and MemoryGraph ask for them: a place of
/// ours that is off by a byte ends in its exceptions.
/// </summary>
internal sealed class GcDumpReader : IFastSerializable, IFastSerializableVersion
{
    public Graph Heap { get; private set; } = new();

    public string? Log { get; private set; }

    public DateTime TakenAt { get; private set; }

    public int ProcessId { get; private set; }

    public string? Tool { get; private set; }

    int IFastSerializableVersion.Version => 10;

    int IFastSerializableVersion.MinimumVersionCanRead => 4;

    int IFastSerializableVersion.MinimumReaderVersion => 8;

    public static GcDumpReader Read(Stream stream)
    {
        using var deserializer = new Deserializer(stream, "heap.gcdump", SerializationSettings.Default.WithStreamLabelWidth(StreamLabelWidth.FourBytes));
        deserializer.OnUnregisteredType = name => name switch
        {
            "GCHeapDump" => () => new GcDumpReader(),
            "Graphs.MemoryGraph" => () => new Graph(),
            _ => null,
        };
        return (GcDumpReader)deserializer.GetEntryObject();
    }

    void IFastSerializable.ToStream(Serializer serializer) => throw new NotSupportedException();

    void IFastSerializable.FromStream(Deserializer deserializer)
    {
        if (deserializer.VersionBeingRead < 9)
            throw new NotSupportedException();
        Heap = (Graph)deserializer.ReadObject();
        _ = deserializer.ReadBool();
        if (deserializer.ReadFloat() != 1 || deserializer.ReadFloat() != 1)
            throw new InvalidDataException("the dump is a sample");
        if (deserializer.ReadObject() is not null || deserializer.ReadObject() is not null)
            throw new InvalidDataException("there is something where segments would be");
        Log = deserializer.ReadString();
        TakenAt = new DateTime(deserializer.ReadInt64());
        _ = deserializer.ReadString();
        _ = deserializer.ReadString();
        ProcessId = deserializer.ReadInt();
        _ = deserializer.ReadInt64();
        _ = deserializer.ReadInt64();
        if (deserializer.ReadInt() != 0)
            throw new InvalidDataException("the dump is a sample");
        var interop = new Graph();
        if (!deserializer.TryReadTagged(ref interop) || interop is not null)
            throw new InvalidDataException("there are interop objects");
        var tool = "";
        deserializer.TryReadTagged(ref tool);
        Tool = tool;
    }

    internal sealed record Node(string Type, int Bytes, int[] Children, ulong Address);

    internal sealed class Graph : IFastSerializable, IFastSerializableVersion
    {
        public IReadOnlyList<Node> Nodes { get; private set; } = [];

        public Node Root { get; private set; } = new("", 0, [], 0);

        public long Bytes { get; private set; }

        public bool Is64Bit { get; private set; }

        int IFastSerializableVersion.Version => 1;

        int IFastSerializableVersion.MinimumVersionCanRead => 0;

        int IFastSerializableVersion.MinimumReaderVersion => 0;

        public Node Child(Node node, string type) => node.Children.Select(child => Nodes[child]).Single(child => child.Type == type);

        void IFastSerializable.ToStream(Serializer serializer) => throw new NotSupportedException();

        void IFastSerializable.FromStream(Deserializer deserializer)
        {
            Bytes = deserializer.ReadInt64();
            var root = deserializer.ReadInt();
            var types = new (string Name, int Size)[deserializer.ReadInt()];
            for (var i = 0; i < types.Length; i++)
            {
                types[i] = (deserializer.ReadString(), deserializer.ReadInt());
                _ = deserializer.ReadString();
            }
            var places = new int[deserializer.ReadInt()];
            for (var i = 0; i < places.Length; i++)
                places[i] = deserializer.ReadInt();
            var blob = new byte[deserializer.ReadInt()];
            for (var i = 0; i < blob.Length; i++)
                blob[i] = deserializer.ReadByte();
            var addresses = new ulong[deserializer.ReadInt()];
            for (var i = 0; i < addresses.Length; i++)
                addresses[i] = (ulong)deserializer.ReadInt64();
            var is64Bit = false;
            deserializer.TryReadTagged(ref is64Bit);
            Is64Bit = is64Bit;
            Nodes = [.. places.Select((place, i) => NodeAt(blob, place, i, types, addresses[i]))];
            Root = Nodes[root];
        }

        private static Node NodeAt(byte[] blob, int at, int index, (string Name, int Size)[] types, ulong address)
        {
            var type = Number(blob, ref at);
            var size = (type & 1) != 0 ? Number(blob, ref at) : types[type >> 1].Size;
            var children = new int[Number(blob, ref at)];
            for (var i = 0; i < children.Length; i++)
                children[i] = index + Number(blob, ref at);
            return new Node(types[type >> 1].Name, size, children, address);
        }

        /// <summary>As MemoryGraph's ReadCompressedInt: the first byte brings the sign.</summary>
        private static int Number(byte[] blob, ref int at)
        {
            var number = blob[at] << 25 >> 25;
            while ((blob[at++] & 0x80) != 0)
                number = (number << 7) + (blob[at] & 0x7F);
            return number;
        }
    }
}
