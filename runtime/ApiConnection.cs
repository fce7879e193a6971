using System.Net.Http.Headers;
using System.Text.Json;
using k8s;

namespace Premortem.Runtime;

/// <summary>
/// Requests to the API server over KubernetesClient's connections and credentials. Whatever goes wrong is an <see cref="ApiException"/>; nothing
/// is tried again here.
/// </summary>
internal sealed class ApiConnection(IKubernetes client)
{
    private const int LongestError = 64 * 1024;

    // Whoever asks for more, such as a proxy in between, is asked again nevertheless.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    private readonly Kubernetes _client = client as Kubernetes
        ?? throw new ArgumentException($"needs {nameof(Kubernetes)}, which gives away its connections, and not {client.GetType().Name}", nameof(client));

    /// <summary>How long an answer may take, from the first byte of the request to the last one of the body; of a watch, to its headers.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    public async Task<TResult> ExchangeAsync<TResult>(
        HttpMethod method, string path, HttpContent? content, Func<Stream, CancellationToken, ValueTask<TResult>> read, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(Timeout);
        try
        {
            using var response = await SendAsync(method, path, content, bounded.Token);
            await using var body = await response.Content.ReadAsStreamAsync(bounded.Token);
            return await read(body, bounded.Token);
        }
        catch (Exception e) when (Translate(e, method, path, ct) is { } translated)
        {
            throw translated;
        }
    }

    /// <summary>Opens a stream that the server writes to for as long as it likes.</summary>
    public async Task<HttpResponseMessage> OpenAsync(string path, CancellationToken ct)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bounded.CancelAfter(Timeout);
        try
        {
            return await SendAsync(HttpMethod.Get, path, null, bounded.Token);
        }
        catch (Exception e) when (Translate(e, HttpMethod.Get, path, ct) is { } translated)
        {
            throw translated;
        }
    }

    /// <summary>Null: it is no failure of the exchange, but the caller's wish, or an <see cref="ApiException"/> already.</summary>
    public ApiException? Translate(Exception e, HttpMethod method, string path, CancellationToken ct) => e switch
    {
        OperationCanceledException when ct.IsCancellationRequested => null,
        OperationCanceledException => new ApiException(
            null, "Timeout", $"{method} {path}: no whole answer within {Timeout.TotalSeconds:0} s", inner: e),
        HttpRequestException or IOException => new ApiException(null, null, $"{method} {path}: {e.Message}", inner: e),
        JsonException => new ApiException(null, "Unreadable", $"{method} {path}: the answer cannot be read: {e.Message}", inner: e),
        _ => null,
    };

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, $"{_client.BaseUri.AbsoluteUri.TrimEnd('/')}/{path}") { Content = content };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (_client.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, ct);
        var response = await _client.HttpClient.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await RefusalAsync(response, method, path, ct);
    }

    private static async Task<ApiException> RefusalAsync(HttpResponseMessage response, HttpMethod method, string path, CancellationToken ct)
    {
        var body = new byte[LongestError];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, ct);
        var status = ApiStatus.Read(body.AsSpan(0, length));
        var wait = response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(status?.Details?.RetryAfterSeconds ?? 0);
        return new ApiException(
            response.StatusCode,
            status?.Reason,
            status?.Message ?? $"{method} {path}: HTTP {(int)response.StatusCode} {response.ReasonPhrase}",
            wait <= TimeSpan.Zero ? null : wait < LongestWait ? wait : LongestWait);
    }
}
