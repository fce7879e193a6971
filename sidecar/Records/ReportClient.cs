using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Premortem.Contracts;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Records;

/// <summary>
/// Sends reports to the operator: over TLS that its own authorities have signed and nobody else, with the pod's token, which the kubelet renews
/// and which therefore is read anew each time. What comes back is bounded in size and time.
/// </summary>
internal sealed class ReportClient : IDisposable
{
    private const int MostTokenBytes = 16 * 1024;
    private const int MostAnswerBytes = 1024;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private static readonly TimeSpan ResolvePatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestAfter = TimeSpan.FromMinutes(5);

    private readonly Uri _base;
    private readonly string _tokenFile;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    private ReportClient(Uri url, IPAddress? address, X509Certificate2Collection authorities, string tokenFile, TimeProvider time)
    {
        (_base, _tokenFile, _time) = (url, tokenFile, time);
        var policy = Trusting(authorities);
        _http = new HttpClient(new BrokenConnections(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = ConnectPatience + ResolvePatience,
            // Reports are rare: between two of them nothing is held.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 0,
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = policy,
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => errors == SslPolicyErrors.None || IsVouchedFor(authorities, certificate, chain, errors),
            },
            ConnectCallback = (context, ct) => ConnectAsync(context.DnsEndPoint, address, ct),
        }))
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <exception cref="FormatException">The settings cannot be used; says which field.</exception>
    public static ReportClient Open(ReportSettings settings, string tokenFile, TimeProvider time)
    {
        // A token that travels in the clear is everybody's.
        if (!Uri.TryCreate(settings.Url, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps)
            throw new FormatException($"report.url: has to be an https URL, and is '{settings.Url}'");
        IPAddress? address = null;
        if (settings.Address is { } text && !IPAddress.TryParse(text, out address))
            throw new FormatException($"report.address: has to be an IP address, and is '{text}'");
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPem(settings.CaBundle);
        }
        catch (CryptographicException e)
        {
            throw new FormatException($"report.caBundle: cannot be read as PEM certificates: {e.Message}", e);
        }
        return authorities.Count > 0
            ? new ReportClient(url, address, authorities, tokenFile, time)
            : throw new FormatException("report.caBundle: holds no PEM certificate");
    }

    public void Dispose() => _http.Dispose();

    /// <param name="path">Of <see cref="ReportPaths"/>.</param>
    public async Task<ReportAnswer> PutAsync(string path, byte[] content, CancellationToken ct)
    {
        ReportAnswer? answer = null;
        var problem = await ExchangeAsync(HttpMethod.Put, path, content, async (response, patience) => answer = await AnswerAsync(response, patience), ct);
        return answer ?? new ReportAnswer.Later(problem!);
    }

    /// <param name="path">Of <see cref="ReportPaths"/>.</param>
    /// <param name="most">How many bytes are taken.</param>
    /// <returns>What the operator gave, or why it did not.</returns>
    public async Task<(byte[]? Content, string? Problem)> GetAsync(string path, int most, CancellationToken ct)
    {
        (byte[]?, string?) answer = default;
        var problem = await ExchangeAsync(
            HttpMethod.Get,
            path,
            null,
            async (response, patience) =>
            {
                if (!response.IsSuccessStatusCode)
                {
                    answer = (null, Detail(await BeginningAsync(response, patience), (int)response.StatusCode));
                    return;
                }
                await using var body = await response.Content.ReadAsStreamAsync(patience);
                var bytes = new byte[most];
                answer = (bytes[..await body.ReadAtLeastAsync(bytes, most, throwOnEndOfStream: false, patience)], null);
            },
            ct);
        return problem is null ? answer : (null, problem);
    }

    /// <summary>What a problem (RFC 9457) says in words; of anything else all of it.</summary>
    private static string Detail(string said, int status)
    {
        try
        {
            using var problem = JsonDocument.Parse(said);
            if (problem.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("detail", out var detail) && detail.ValueKind == JsonValueKind.String)
                said = detail.GetString()!;
        }
        catch (JsonException)
        {
            // A proxy's.
        }
        return string.Create(CultureInfo.InvariantCulture, $"{status}: {said}");
    }

    /// <returns>Why nothing came back; null: something did.</returns>
    private async Task<string?> ExchangeAsync(HttpMethod method, string path, byte[]? content, Func<HttpResponseMessage, CancellationToken, Task> read, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(Patience, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            if (ReadToken() is not { } token)
                return $"there is no token in {_tokenFile}";
            using var request = new HttpRequestMessage(method, new Uri(_base, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            if (content is not null)
                request.Content = new ByteArrayContent(content) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            await read(response, patience.Token);
            return null;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return $"{_base.Authority} did not answer within {Patience.TotalSeconds:0} s";
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UnauthorizedAccessException or FormatException)
        {
            return e.InnerException is { } inner ? $"{e.Message} {inner.Message}" : e.Message;
        }
    }

    private async Task<ReportAnswer> AnswerAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (response.IsSuccessStatusCode)
            return ReportAnswer.Taken.It;
        var said = await BeginningAsync(response, ct);
        var detail = string.Create(CultureInfo.InvariantCulture, $"{(int)response.StatusCode} {said}").TrimEnd();
        return response.StatusCode switch
        {
            HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableEntity => new ReportAnswer.Refused(detail),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new ReportAnswer.Later(detail, IsSlow: true),
            HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable => new ReportAnswer.Later(detail, After: After(response)),
            HttpStatusCode.InternalServerError or HttpStatusCode.Conflict => new ReportAnswer.Later(detail, IsOfThisOne: true),
            _ => new ReportAnswer.Later(detail),
        };
    }

    /// <summary>
    /// Asks each authority alone: while one takes another's place, both may go by one name, and a chain is built with the first of a name.
    /// </summary>
    private static bool IsVouchedFor(X509Certificate2Collection authorities, X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        // Whose name it is, is not a question of who has signed it.
        if (errors != SslPolicyErrors.RemoteCertificateChainErrors || certificate is not X509Certificate2 leaf)
            return false;
        foreach (var authority in authorities)
        {
            using var chain = new X509Chain();
            chain.ChainPolicy = Trusting([authority]);
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
            foreach (var element in sent?.ChainElements.Skip(1) ?? [])
                chain.ChainPolicy.ExtraStore.Add(element.Certificate);
            if (chain.Build(leaf))
                return true;
        }
        return false;
    }

    private static X509ChainPolicy Trusting(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    private string? ReadToken()
    {
        using var file = File.OpenHandle(_tokenFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[MostTokenBytes];
        var token = Encoding.ASCII.GetString(bytes, 0, RandomAccess.Read(file, bytes, 0)).Trim();
        return token.Length == 0 ? null : token;
    }

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint host, IPAddress? address, CancellationToken ct)
    {
        var addresses = await ResolveAsync(host.Host, address, ct);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, host.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A pod on the host's network, or with a DNS policy of its own, does not know the cluster's names.</summary>
    private static async Task<IPAddress[]> ResolveAsync(string host, IPAddress? address, CancellationToken ct)
    {
        try
        {
            var found = await Dns.GetHostAddressesAsync(host, ct).WaitAsync(ResolvePatience, ct);
            if (found.Length > 0 || address is null)
                return found;
        }
        catch (Exception e) when (address is not null && e is SocketException or TimeoutException)
        {
            // Said below.
        }
        return [address!];
    }

    /// <summary>What the answer says, as far as a log wants to know.</summary>
    private static async Task<string> BeginningAsync(HttpResponseMessage response, CancellationToken ct)
    {
        using var body = await response.Content.ReadAsStreamAsync(ct);
        var bytes = new byte[MostAnswerBytes];
        var length = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, ct);
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        return string.Create(text.Length, text, (to, from) =>
        {
            for (var i = 0; i < to.Length; i++)
                to[i] = char.IsControl(from[i]) ? ' ' : from[i];
        });
    }

    private TimeSpan? After(HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter is { } told ? told.Delta ?? told.Date - _time.GetUtcNow() : null;
        return after is { } wait ? TimeSpan.FromTicks(Math.Clamp(wait.Ticks, 0, LongestAfter.Ticks)) : null;
    }
}
