namespace Premortem.Cli.Stores;

/// <summary>Reads small files whole, and tries again where that can help.</summary>
internal static class Reading
{
    internal const int Attempts = 5;

    /// <summary>How long a server may send nothing.</summary>
    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(30);

    /// <exception cref="ReadException">It cannot be read, or is larger than <paramref name="mostBytes"/>.</exception>
    internal static async Task<byte[]> WholeAsync(ICaptureStore store, string key, int mostBytes, TimeProvider time, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var content = await store.OpenAsync(key, 0, ct);
                using var whole = new MemoryStream();
                var buffer = new byte[32 << 10];
                while (await SomeAsync(store, key, content.Stream, buffer, time, ct) is var read and > 0)
                {
                    if (whole.Length + read > mostBytes)
                        throw new ReadException($"{store.Locate(key)} is larger than {mostBytes >> 20} MiB, which none is that Premortem wrote", isTransient: false);
                    whole.Write(buffer, 0, read);
                }
                return whole.ToArray();
            }
            catch (ReadException e) when (e.IsTransient && attempt < Attempts)
            {
                await PauseAsync(attempt, time, ct);
            }
        }
    }

    /// <summary>The next bytes; none at the end. A server that sends nothing for too long has failed.</summary>
    internal static async Task<int> SomeAsync(ICaptureStore store, string key, Stream content, Memory<byte> buffer, TimeProvider time, CancellationToken ct)
    {
        using var stall = new CancellationTokenSource(s_stall, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stall.Token, ct);
        try
        {
            return await content.ReadAsync(buffer, both.Token);
        }
        catch (Exception e) when (e is not ReadException)
        {
            ct.ThrowIfCancellationRequested();
            throw store.Explain(key, e);
        }
    }

    internal static Task PauseAsync(int attempt, TimeProvider time, CancellationToken ct) =>
        Task.Delay(TimeSpan.FromMilliseconds(Math.Min(250 * (1 << Math.Min(attempt - 1, 6)), 4000)), time, ct);
}
