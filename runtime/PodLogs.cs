using System.Globalization;
using k8s;

namespace Premortem.Runtime;

/// <summary>What containers have written, as far as the kubelet still has it. Errors are <see cref="ApiException"/>.</summary>
public sealed class PodLogs(IKubernetes client)
{
    private const int LongestLine = 16 * 1024;

    private readonly ApiConnection _connection = new(client);

    /// <summary>Reads to the end that the log has now.</summary>
    /// <param name="isPrevious">Whether it is the log of the container's last life, rather than of this one.</param>
    /// <param name="since">Lines from before it are left out.</param>
    /// <param name="atMost">How many bytes are read.</param>
    /// <param name="take">Is given each line, without its end, behind the time when it was written. Of a longer one its beginning.</param>
    /// <returns>Whether that was all of it.</returns>
    public async Task<bool> ReadAsync(
        ResourceKey pod, string container, bool isPrevious, DateTimeOffset since, long atMost, Action<ReadOnlySpan<byte>> take, CancellationToken ct)
    {
        var path = string.Create(
            CultureInfo.InvariantCulture,
            $"api/v1/namespaces/{pod.Namespace}/pods/{pod.Name}/log?container={Uri.EscapeDataString(container)}&timestamps=true&previous={(isPrevious ? "true" : "false")}&sinceTime={since.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}");
        using var response = await _connection.OpenAsync(path, ct);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(ct);
            return await ReadAsync(body, atMost, take, ct);
        }
        catch (Exception e) when (_connection.Translate(e, HttpMethod.Get, path, ct) is { } translated)
        {
            throw translated;
        }
    }

    internal static async Task<bool> ReadAsync(Stream body, long atMost, Action<ReadOnlySpan<byte>> take, CancellationToken ct)
    {
        var (buffer, kept) = (new byte[64 * 1024], 0);
        var line = new byte[LongestLine];
        while (await body.ReadAsync(buffer, ct) is var read and > 0)
        {
            if ((atMost -= read) < 0)
                return false;
            var rest = buffer.AsMemory(0, read);
            while (rest.Span.IndexOf((byte)'\n') is var end and >= 0)
            {
                Keep(rest.Span[..end]);
                take(line.AsSpan(0, kept));
                (kept, rest) = (0, rest[(end + 1)..]);
            }
            Keep(rest.Span);
        }
        if (kept > 0)
            take(line.AsSpan(0, kept));
        return true;

        void Keep(ReadOnlySpan<byte> part)
        {
            part = part[..Math.Min(part.Length, line.Length - kept)];
            part.CopyTo(line.AsSpan(kept));
            kept += part.Length;
        }
    }
}
