using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// Finds the <c>net/http/pprof</c> of a process by asking the ports on which it listens, four at a time and 6060 first. A port that
/// speaks something else gets one harmless request.
/// </summary>
internal sealed class PprofEndpointFinder(TimeProvider time, string procRoot = "/proc") : IDisposable
{
    internal static readonly TimeSpan ProbeTimeout = TimeSpan.FromMilliseconds(500);

    // A heap profile is asked for only where there is no index; a large and throttled program needs its time.
    internal static readonly TimeSpan HeapProbeTimeout = TimeSpan.FromSeconds(2);
    internal static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(10);

    private const int UsualPort = 6060;
    private const int MaxCandidates = 64;
    private const int AtATime = 4;
    private const int MaxIndexBytes = 64 * 1024;
    private const int MaxCommandLineBytes = 4096;

    private readonly HttpMessageInvoker _http = TargetHttp.Create(AtATime);

    public void Dispose() => _http.Dispose();

    internal async Task<PprofSearch> FindAsync(int pid, GoOptions options, CancellationToken ct)
    {
        var sockets = ListeningSockets.Read(procRoot, pid);
        if (sockets.InAnotherNetwork)
            return new PprofSearch.NotFound(
                Reasons.EndpointNotFound, "the process is in another network namespace, whose loopback cannot be reached from here");
        var candidates = Candidates(sockets.Sockets, options.Port);
        if (candidates.Count == 0)
            return new PprofSearch.NotFound(Reasons.EndpointNotFound, "the process listens on no TCP port");
        // In a shared network namespace a port may belong to another container; pprof itself says whose it is.
        var commandLine = sockets.Scope == SocketScope.NetworkNamespace ? ReadCommandLine(pid) : [];
        var path = "/" + options.Path.Trim('/') + "/";

        using var timer = new CancellationTokenSource(SearchTimeout, time);
        using var search = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var answers = new List<string>();
        var silent = true;
        foreach (var some in candidates.Chunk(AtATime))
        {
            var probes = await Task.WhenAll(some.Select(socket => ProbeAsync(socket, path, commandLine, search.Token)));
            ct.ThrowIfCancellationRequested();
            if (probes.FirstOrDefault(probe => probe.Kind == AnswerKind.Pprof) is { Endpoint: { } endpoint })
                return new PprofSearch.Found(endpoint, sockets.Scope);
            answers.AddRange(probes.Select(probe => probe.Text));
            silent &= probes.All(probe => probe.Kind == AnswerKind.Silence);
        }
        return new PprofSearch.NotFound(silent ? Reasons.TargetNotResponding : Reasons.EndpointNotFound, string.Join("; ", answers));
    }

    private static List<ListeningSocket> Candidates(IReadOnlyList<ListeningSocket> sockets, int? port)
    {
        if (port is not { } wanted)
            return [.. sockets.OrderBy(socket => socket.EndPoint.Port == UsualPort ? 0 : 1).Take(MaxCandidates)];
        var listening = sockets.Where(socket => socket.EndPoint.Port == wanted).ToList();
        // A child or another process of the container may hold the port that the policy names.
        if (listening.Count > 0)
            return listening;
        return
        [
            new(new IPEndPoint(IPAddress.Loopback, wanted), IsWildcard: false),
            new(new IPEndPoint(IPAddress.IPv6Loopback, wanted), IsWildcard: false),
        ];
    }

    private async Task<Answer> ProbeAsync(ListeningSocket socket, string path, byte[] commandLine, CancellationToken ct)
    {
        var answer = await ProbeAsync(socket.EndPoint, path, commandLine, ct);
        // [::] takes IPv4 too, and a pod may have no ::1.
        if (answer.Kind == AnswerKind.Unreachable && socket is { IsWildcard: true, EndPoint.AddressFamily: AddressFamily.InterNetworkV6 })
            answer = await ProbeAsync(new IPEndPoint(IPAddress.Loopback, socket.EndPoint.Port), path, commandLine, ct);
        return answer;
    }

    private async Task<Answer> ProbeAsync(IPEndPoint at, string path, byte[] commandLine, CancellationToken ct)
    {
        var answer = await ProbeAsync(new Uri($"http://{at}{path}"), commandLine, ct);
        // To plain HTTP, a TLS port answers 400 (Go, nginx) or nothing that is HTTP.
        if (answer.Kind is not (AnswerKind.BadRequest or AnswerKind.NotHttp))
            return answer;
        var overTls = await ProbeAsync(new Uri($"https://{at}{path}"), commandLine, ct);
        return overTls.Status != 0 ? overTls : answer;
    }

    private async Task<Answer> ProbeAsync(Uri endpoint, byte[] commandLine, CancellationToken ct)
    {
        var index = await AskAsync(endpoint, endpoint, IsIndex, MaxIndexBytes, ProbeTimeout, ct);
        // A mux of the program's own may serve the profiles and no index; the profile itself then tells.
        var answer = index;
        if (index.Kind == AnswerKind.Other
            && await AskAsync(endpoint, new Uri(endpoint, "heap"), IsGzip, 2, HeapProbeTimeout, ct) is { Kind: AnswerKind.Pprof } heap)
            answer = heap;
        if (answer.Kind != AnswerKind.Pprof || commandLine.Length == 0)
            return answer;
        var theirs = await AskAsync(
            endpoint, new Uri(endpoint, "cmdline"), body => body.SequenceEqual(commandLine), MaxCommandLineBytes, ProbeTimeout, ct);
        return theirs is { Kind: AnswerKind.Other, Status: 200 }
            ? new Answer(AnswerKind.Other, endpoint, 200, $"{endpoint.Authority} is the pprof of another process")
            : answer;
    }

    private async Task<Answer> AskAsync(Uri endpoint, Uri uri, BodyTest isPprof, int most, TimeSpan timeout, CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var buffer = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            using var request = TargetHttp.Request(HttpMethod.Get, uri);
            // Nothing is left open on ports that are not pprof's.
            request.Headers.ConnectionClose = true;
            using var response = await _http.SendAsync(request, either.Token);
            var status = (int)response.StatusCode;
            if (status == 200)
            {
                await using var body = await response.Content.ReadAsStreamAsync(either.Token);
                var length = await body.ReadAtLeastAsync(buffer.AsMemory(0, most), most, throwOnEndOfStream: false, either.Token);
                if (isPprof(buffer.AsSpan(0, length)))
                    return new Answer(AnswerKind.Pprof, endpoint, status, "");
            }
            var kind = status == 400 ? AnswerKind.BadRequest : AnswerKind.Other;
            var said = string.Create(CultureInfo.InvariantCulture, $"{status}{(status == 200 ? ", not pprof" : "")}");
            return new Answer(kind, endpoint, status, $"{endpoint.Authority} answered {uri.Scheme} with {said}");
        }
        catch (OperationCanceledException)
        {
            return new Answer(AnswerKind.Silence, endpoint, 0, $"{endpoint.Authority} did not answer in time");
        }
        catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError)
        {
            return new Answer(AnswerKind.Unreachable, endpoint, 0, $"{endpoint.Authority} took no connection");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new Answer(AnswerKind.NotHttp, endpoint, 0, $"{endpoint.Authority} does not speak HTTP");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Go's own index page links to every profile as text; so it has since Go 1.0, whatever the path.</summary>
    private static bool IsIndex(ReadOnlySpan<byte> body) => body.IndexOf("heap?debug="u8) >= 0 && body.IndexOf("goroutine?debug="u8) >= 0;

    private static bool IsGzip(ReadOnlySpan<byte> body) => body.StartsWith<byte>([0x1f, 0x8b]);

    /// <summary>The arguments as pprof's <c>cmdline</c> tells them: with zeros between them and none at the end.</summary>
    private byte[] ReadCommandLine(int pid)
    {
        try
        {
            using var file = File.OpenRead(Path.Combine(procRoot, pid.ToString(CultureInfo.InvariantCulture), "cmdline"));
            var buffer = new byte[MaxCommandLineBytes];
            var length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return length > 0 && buffer[length - 1] == 0 ? buffer[..(length - 1)] : buffer[..length];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private delegate bool BodyTest(ReadOnlySpan<byte> body);

    private enum AnswerKind
    {
        Pprof,
        Other,
        BadRequest,
        NotHttp,
        Unreachable,
        Silence,
    }

    private sealed record Answer(AnswerKind Kind, Uri Endpoint, int Status, string Text);
}
