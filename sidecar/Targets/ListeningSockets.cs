using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Premortem.Sidecar.Targets;

/// <summary>The TCP sockets on which a process listens, from <c>/proc/PID/net/tcp</c> and <c>tcp6</c>.</summary>
/// <param name="Sockets">In the order of their ports, each once.</param>
/// <param name="Scope">Whose they are.</param>
/// <param name="InAnotherNetwork">
/// Whether the process is known to be in another network namespace than this one: what answers on the same port here is then not it.
/// </param>
internal sealed record ListeningSockets(IReadOnlyList<ListeningSocket> Sockets, SocketScope Scope, bool InAnotherNetwork)
{
    private const string Listen = "0A";

    // The kernel lists listening sockets before all others, so that what is behind this many lines are connections.
    private const int MaxLines = 4096;
    private const int MaxDescriptors = 65536;

    /// <summary>Reads them; a process that is gone, or a family that is switched off, has none.</summary>
    internal static ListeningSockets Read(string procRoot, int pid)
    {
        var process = Path.Combine(procRoot, pid.ToString(CultureInfo.InvariantCulture));
        var found = new List<(ListeningSocket Socket, string Inode)>();
        foreach (var table in (ReadOnlySpan<string>)["net/tcp", "net/tcp6"])
            ReadTable(Path.Combine(process, table), found);
        var own = found.Count == 0 ? [] : OwnInodes(Path.Combine(process, "fd"));
        var sockets = found
            .Where(each => own is null || own.Contains(each.Inode))
            .Select(each => each.Socket)
            .Distinct()
            .OrderBy(socket => socket.EndPoint.Port)
            .ToList();
        var scope = own is null ? SocketScope.NetworkNamespace : SocketScope.Process;
        return new ListeningSockets(sockets, scope, IsInAnotherNetwork(procRoot, process));
    }

    private static void ReadTable(string path, List<(ListeningSocket Socket, string Inode)> found)
    {
        try
        {
            // local_address is the second field, st the fourth, inode the tenth.
            foreach (var line in File.ReadLines(path).Skip(1).Take(MaxLines))
            {
                var fields = line.Split(' ', 11, StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length >= 10 && fields[3] == Listen && TryParse(fields[1]) is { } socket)
                    found.Add((socket, fields[9]));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Reads <c>0100007F:17AC</c>: 32-bit words in the host's byte order, the port as a number.</summary>
    private static ListeningSocket? TryParse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon is not (8 or 32)
            || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var port))
            return null;
        Span<byte> bytes = stackalloc byte[colon / 2];
        for (var word = 0; word < bytes.Length; word += 4)
        {
            if (!uint.TryParse(text.AsSpan(word * 2, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value))
                return null;
            if (BitConverter.IsLittleEndian)
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[word..], value);
            else
                BinaryPrimitives.WriteUInt32BigEndian(bytes[word..], value);
        }
        var address = new IPAddress(bytes);
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (address.Equals(IPAddress.Any))
            return new ListeningSocket(new IPEndPoint(IPAddress.Loopback, port), IsWildcard: true);
        return address.Equals(IPAddress.IPv6Any)
            ? new ListeningSocket(new IPEndPoint(IPAddress.IPv6Loopback, port), IsWildcard: true)
            : new ListeningSocket(new IPEndPoint(address, port), IsWildcard: false);
    }

    /// <returns>Null where the descriptors may not be read.</returns>
    private static HashSet<string>? OwnInodes(string folder)
    {
        var inodes = new HashSet<string>();
        try
        {
            foreach (var descriptor in Directory.EnumerateFileSystemEntries(folder).Take(MaxDescriptors))
                if (ProcLink.Read(descriptor) is ['s', 'o', 'c', 'k', 'e', 't', ':', '[', .. var inode, ']'])
                    inodes.Add(inode);
            return inodes;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
        catch (IOException)
        {
            // The process is gone.
            return inodes;
        }
    }

    private static bool IsInAnotherNetwork(string procRoot, string process)
    {
        try
        {
            return ProcLink.Read(Path.Combine(process, "ns/net")) is { } theirs
                && ProcLink.Read(Path.Combine(procRoot, "self/ns/net")) is { } ours
                && theirs != ours;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
