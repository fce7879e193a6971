using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Captures from one <c>net/http/pprof</c>. Connections stay open, so that a capture costs one round trip; captures may run side by
/// side. What the target sends is untrusted.
/// </summary>
/// <param name="endpoint">The address under which the profiles stand, with a slash at its end.</param>
/// <param name="targetIsAlive">Whether the process still runs; asked only when its connection broke.</param>
internal sealed class PprofClient(Uri endpoint, Func<bool> targetIsAlive, TimeProvider time) : ICaptureSource
{
    private const int MaxConnections = 4;
    private const int MaxErrorBytes = 512;

    // The kernel closes the sockets of a dying process some moments before it is seen to be dead.
    private static readonly TimeSpan DeathShowsWithin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan DeathPoll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan WarmTimeout = TimeSpan.FromSeconds(2);

    // net/http/pprof takes whole seconds for a profile, and fractions for a trace.
    private static readonly TimeSpan LeastProfile = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LeastTrace = TimeSpan.FromMilliseconds(10);

    private readonly HttpMessageInvoker _http = TargetHttp.Create(MaxConnections);

    public Uri Endpoint { get; } = endpoint;

    public string Address => Endpoint.ToString();

    public void Dispose() => _http.Dispose();

    Task ICaptureSource.WarmAsync(CancellationToken ct) => WarmAsync(ct);

    Task<CaptureResult> ICaptureSource.CaptureAsync(PlannedCapture step, Stream destination, CaptureBounds bounds, CancellationToken ct) =>
        CaptureAsync(step.Type, step.Duration, destination, bounds, ct);

    /// <summary>Opens a connection, or uses the one that is there so that the target does not close it as idle.</summary>
    /// <returns>Whether there is one now.</returns>
    internal async Task<bool> WarmAsync(CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(WarmTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        try
        {
            // The cheapest that there is, and without a body: cmdline's may hold secrets.
            using var request = TargetHttp.Request(HttpMethod.Head, new Uri(Endpoint, "cmdline"));
            using var response = await _http.SendAsync(request, either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>Captures one profile and writes it to <paramref name="destination"/> as it comes.</summary>
    /// <param name="duration">
    /// For <see cref="CaptureType.Cpu"/>, rounded down to whole seconds and at least one, and for <see cref="CaptureType.Trace"/>.
    /// </param>
    /// <returns>
    /// <see cref="CaptureResult.Failed"/> for whatever the target does; the destination then holds a part that is worth nothing.
    /// </returns>
    /// <exception cref="Exception">What <paramref name="destination"/> throws comes as it is.</exception>
    internal async Task<CaptureResult> CaptureAsync(
        CaptureType type, TimeSpan? duration, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        var (profile, least) = Profile(type);
        TimeSpan? asked = least is { } shortest ? Round(type, duration ?? DefaultDuration(type), shortest) : null;
        while (true)
        {
            var (result, isRefusedAsTooLong) = await AttemptAsync(type, profile, asked, destination, bounds, ct);
            // The server's WriteTimeout bounds the duration, is told to nobody, and refuses at once: halving costs a round trip each.
            if (!isRefusedAsTooLong || asked is not { } current || current <= least)
                return result;
            asked = Round(type, current / 2, least!.Value);
        }
    }

    private static (string Profile, TimeSpan? Least) Profile(CaptureType type) => type switch
    {
        CaptureType.Heap => ("heap", null),
        CaptureType.Allocs => ("allocs", null),
        CaptureType.Goroutine => ("goroutine", null),
        CaptureType.ThreadCreate => ("threadcreate", null),
        CaptureType.Block => ("block", null),
        CaptureType.Mutex => ("mutex", null),
        CaptureType.Cpu => ("profile", LeastProfile),
        CaptureType.Trace => ("trace", LeastTrace),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "net/http/pprof does not serve it"),
    };

    private static TimeSpan DefaultDuration(CaptureType type) =>
        type == CaptureType.Cpu ? CaptureRequest.DefaultCpuDuration : CaptureRequest.DefaultTraceDuration;

    private static TimeSpan Round(CaptureType type, TimeSpan duration, TimeSpan least)
    {
        var rounded = type == CaptureType.Cpu ? TimeSpan.FromSeconds(Math.Floor(duration.TotalSeconds)) : duration;
        return rounded < least ? least : rounded;
    }

    private async Task<(CaptureResult Result, bool IsRefusedAsTooLong)> AttemptAsync(
        CaptureType type, string profile, TimeSpan? asked, Stream destination, CaptureBounds bounds, CancellationToken ct)
    {
        var query = asked is { } wanted
            ? string.Create(CultureInfo.InvariantCulture, $"{profile}?seconds={wanted.TotalSeconds:0.###}")
            : profile;
        using var timer = new ReceiveTimer(bounds, asked ?? TimeSpan.Zero, time, ct);
        using var request = TargetHttp.Request(HttpMethod.Get, new Uri(Endpoint, query));
        ReceivedBody? body = null;
        try
        {
            using var response = await _http.SendAsync(request, timer.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                // Of the two profiles that take time, pprof refuses nothing else with 400.
                var isTooLong = asked is not null && response.StatusCode == HttpStatusCode.BadRequest && IsFromPprof(response);
                return (await RefusalAsync(response, timer.Token), isTooLong);
            }
            await using var source = await response.Content.ReadAsStreamAsync(timer.Token);
            body = new ReceivedBody(source, destination, bounds.MaxBytes, timer, ct);
            if (type == CaptureType.Trace)
                await CaptureContent.ReceiveTraceAsync(body);
            else
                await CaptureContent.ReceiveProfileAsync(body, bounds.MaxDecompressedBytes, ct);
            return (new CaptureResult.Captured(body.Received, asked), false);
        }
        catch (Exception e) when (body is null or { DestinationFailed: false } && !ct.IsCancellationRequested && Failure(e, timer) is { } failure)
        {
            var hasExited = failure.IsCut && await HasExitedAsync(ct);
            return hasExited
                ? (new CaptureResult.Failed(Reasons.TargetExited, $"the target exited; {failure.Message}"), false)
                : (new CaptureResult.Failed(failure.Reason, failure.Message), false);
        }
        finally
        {
            if (body is not null)
                await body.DisposeAsync();
        }
    }

    /// <returns>Null for what is not the target's doing.</returns>
    private static ReceiveException? Failure(Exception e, ReceiveTimer timer) => e switch
    {
        ReceiveException known => known,
        OperationCanceledException when timer.IsUp => timer.ToException(received: 0),
        HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } =>
            new ReceiveException(Reasons.EndpointRefused, "the port takes no connections any more", isCut: true, e),
        HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } =>
            new ReceiveException(Reasons.InvalidContent, "the answer is not HTTP", isCut: false, e),
        HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } =>
            new ReceiveException(Reasons.TooLarge, "the answer's headers are too long", isCut: false, e),
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } =>
            new ReceiveException(Reasons.EndpointRefused, "no TLS connection came about", isCut: true, e),
        HttpRequestException or IOException =>
            new ReceiveException(Reasons.TargetNotResponding, "the connection ended before an answer came", isCut: true, e),
        _ => null,
    };

    private static bool IsFromPprof(HttpResponseMessage response) => response.Headers.Contains("X-Go-Pprof");

    private static async Task<CaptureResult.Failed> RefusalAsync(HttpResponseMessage response, CancellationToken ct)
    {
        var status = (int)response.StatusCode;
        var detail = string.Create(CultureInfo.InvariantCulture, $"the endpoint answered {status}");
        if (await FirstLineAsync(response, ct) is { Length: > 0 } line)
            detail = $"{detail}: {line}";
        return new CaptureResult.Failed(
            status switch
            {
                // The mux has pprof and pprof lacks the profile, or there is no pprof at that address at all.
                404 when IsFromPprof(response) => Reasons.NotSupportedByRuntime,
                404 or 410 or (>= 300 and < 400) => Reasons.EndpointNotFound,
                _ => Reasons.EndpointRefused,
            },
            detail);
    }

    /// <summary>The first line of an error's body, without what a terminal would obey.</summary>
    private static async Task<string> FirstLineAsync(HttpResponseMessage response, CancellationToken ct)
    {
        var buffer = new byte[MaxErrorBytes];
        var length = 0;
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(ct);
            int read;
            while ((read = await body.ReadAsync(buffer.AsMemory(length), ct)) > 0)
                length += read;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            // What came tells enough; the status is the failure.
        }
        var text = Encoding.UTF8.GetString(buffer, 0, length);
        var end = text.AsSpan().IndexOfAny('\r', '\n');
        return string.Concat((end < 0 ? text : text[..end]).Where(c => !char.IsControl(c))).Trim();
    }

    private async Task<bool> HasExitedAsync(CancellationToken ct)
    {
        for (var start = time.GetTimestamp(); time.GetElapsedTime(start) < DeathShowsWithin;)
        {
            if (!targetIsAlive())
                return true;
            await Task.Delay(DeathPoll, time, ct);
        }
        return false;
    }
}
