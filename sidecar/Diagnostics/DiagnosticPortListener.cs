using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>
/// A Unix socket that any number of runtimes dial (<c>DOTNET_DiagnosticPorts=FILE,connect,nosuspend</c>), of any user and any PID
/// namespace. A runtime leaves one connection waiting here and dials again as soon as that was used. The newest of each runtime is kept.
/// </summary>
internal sealed class DiagnosticPortListener : IDisposable
{
    /// <summary>How many runtimes may wait, and how many may be about to say who they are.</summary>
    internal const int MaxWaiting = 256;
    internal const int MaxGreeting = 64;

    internal static readonly TimeSpan AdvertiseTimeout = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan AfterFailure = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<Key, Socket> _waiting = [];
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _greeting = new(MaxGreeting);
    private readonly CancellationTokenSource _closing = new();
    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _saidFull;

    private DiagnosticPortListener(string path, Socket socket, TimeProvider time, ILogger log)
    {
        (Path, _socket, _time, _log) = (path, socket, time, log);
        _ = Task.Run(AcceptAsync);
    }

    public string Path { get; }

    internal int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting.Count;
        }
    }

    /// <summary>Begins to listen. A socket that a sidecar left behind, and on which nobody listens, is replaced.</summary>
    /// <exception cref="DiagnosticsException">It cannot be listened on.</exception>
    public static DiagnosticPortListener Open(string path, TimeProvider time, ILogger log)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            RemoveStale(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            // The targets may be of any user; who dials is known from the kernel.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, (UnixFileMode)0b110_110_110);
            socket.Listen(MaxGreeting);
            return new DiagnosticPortListener(path, socket, time, log);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            socket.Dispose();
            throw new DiagnosticsException(e is UnauthorizedAccessException ? Reasons.AccessDenied : Reasons.Unexpected, $"{path} cannot be listened on: {e.Message}", e);
        }
        catch (DiagnosticsException)
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Whether the runtime of a process waits here.</summary>
    public bool Knows(int pid, int ownPid)
    {
        lock (_lock)
            return Find(pid, ownPid, null) is not null;
    }

    /// <summary>The connection of a process's runtime: the one that waits, or the next.</summary>
    /// <param name="cookie">What the runtime is known by where the kernel does not say which process dialled; null: not known yet.</param>
    public async Task<(Stream Stream, Guid Cookie)> TakeAsync(int pid, int ownPid, Guid? cookie, CancellationToken ct)
    {
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (Find(pid, ownPid, cookie) is { } key && _waiting.Remove(key, out var socket))
                    return (new NetworkStream(socket, ownsSocket: true), key.Cookie);
                next = _arrived.Task;
            }
            await next.WaitAsync(ct);
        }
    }

    public void Dispose()
    {
        _closing.Cancel();
        _socket.Dispose();
        lock (_lock)
        {
            foreach (var socket in _waiting.Values)
                socket.Dispose();
            _waiting.Clear();
        }
        try
        {
            File.Delete(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start replaces it.
        }
    }

    private static void RemoveStale(string path)
    {
        if (Directory.Exists(path) || (new FileInfo(path) is { Exists: true } file && file.Length > 0))
            throw new DiagnosticsException(Reasons.Unexpected, $"{path} is there, and is no socket");
        if (!File.Exists(path))
            return;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        throw new DiagnosticsException(Reasons.Unexpected, $"another program listens on {path}");
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
            try
            {
                // What is not accepted waits in the kernel, which bounds it.
                await _greeting.WaitAsync(_closing.Token);
                var socket = await _socket.AcceptAsync(_closing.Token);
                _ = GreetAsync(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException) when (!_closing.IsCancellationRequested)
            {
                // Out of file descriptors, or the peer is gone already.
                _greeting.Release();
                await Task.Delay(AfterFailure, _time, CancellationToken.None);
            }
            catch (SocketException)
            {
                return;
            }
    }

    private async Task GreetAsync(Socket socket)
    {
        var isKept = false;
        try
        {
            using var timer = new CancellationTokenSource(AdvertiseTimeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _closing.Token);
            var bytes = new byte[RuntimeAdvertise.Bytes];
            for (int length = 0, read; length < bytes.Length; length += read)
            {
                read = await socket.ReceiveAsync(bytes.AsMemory(length), SocketFlags.None, either.Token);
                if (read == 0)
                    return;
            }
            if (RuntimeAdvertise.TryRead(bytes) is { } advertise)
                isKept = Keep(socket, advertise);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // Whoever it was said nothing that a runtime says, or nothing in time.
        }
        finally
        {
            if (!isKept)
                socket.Dispose();
            _greeting.Release();
        }
    }

    private bool Keep(Socket socket, RuntimeAdvertise advertise)
    {
        TaskCompletionSource arrived;
        lock (_lock)
        {
            if (_closing.IsCancellationRequested)
                return false;
            // A process has one place, whatever cookies it shows: none can take the others'.
            var peer = SocketPeer.Pid(socket);
            var key = new Key(peer, advertise.Pid, peer is null ? advertise.Cookie : Guid.Empty);
            if (_waiting.Remove(key, out var older))
                older.Dispose();
            if (_waiting.Count >= MaxWaiting)
                DropDead();
            if (_waiting.Count >= MaxWaiting)
            {
                if (!_saidFull)
                    Log.DiagnosticPortFull(_log, Path, MaxWaiting);
                _saidFull = true;
                return false;
            }
            _waiting.Add(key, socket);
            (arrived, _arrived) = (_arrived, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        arrived.TrySetResult();
        return true;
    }

    /// <summary>
    /// A runtime is known by the process that the kernel saw dialling. Where that has no number here, since its PID namespace is not
    /// ours nor below it, all there is is the number that it gives itself: good enough while no two give the same.
    /// </summary>
    private Key? Find(int pid, int ownPid, Guid? cookie)
    {
        DropDead();
        Key? nameless = null;
        foreach (var key in _waiting.Keys)
        {
            if (key.Peer == pid)
                return key;
            if (key.Peer is not null || key.OwnPid != (ulong)ownPid || (cookie is { } known && known != key.Cookie))
                continue;
            if (nameless is not null)
                return null;
            nameless = key;
        }
        return nameless;
    }

    /// <summary>A runtime sends nothing after its advertisement until it is asked: a socket that can be read has been closed, or is none of a runtime.</summary>
    private void DropDead()
    {
        foreach (var (key, socket) in _waiting)
            if (socket.Poll(0, SelectMode.SelectRead))
            {
                _waiting.Remove(key);
                socket.Dispose();
            }
    }

    /// <param name="Peer">The process that the kernel saw; null: it has no number here.</param>
    /// <param name="OwnPid">The number that it gives itself.</param>
    /// <param name="Cookie">Tells runtimes apart where the kernel does not.</param>
    private readonly record struct Key(int? Peer, ulong OwnPid, Guid Cookie);
}
