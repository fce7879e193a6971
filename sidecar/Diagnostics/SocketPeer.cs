using System.Buffers.Binary;
using System.Net.Sockets;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>Who is at the other end of a Unix socket. The kernel says it, in this program's own PID namespace; nobody can pretend.</summary>
internal static class SocketPeer
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    /// <summary>The process that connected, or that listens; null where the kernel has no number for it here.</summary>
    public static int? Pid(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        try
        {
            return socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) >= 4 && BinaryPrimitives.ReadInt32LittleEndian(credentials) is > 0 and var pid ? pid : null;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
