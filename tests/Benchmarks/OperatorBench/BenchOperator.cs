using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Premortem.Testing;

namespace Premortem.OperatorBench;

/// <summary>The operator's program, with the rights that the chart gives it.</summary>
internal sealed class BenchOperator : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly HttpClient _http;

    private BenchOperator(ChildProcess process, int httpPort, int httpsPort)
    {
        (_process, HttpsPort) = (process, httpsPort);
        _http = new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{httpPort}")) };
    }

    public int HttpsPort { get; }

    /// <summary>From the start of the process to the first 200 of /readyz.</summary>
    public TimeSpan Readied { get; private set; }

    public static async Task<BenchOperator> StartAsync(string config, string kubeconfig)
    {
        var (http, https) = (FreePort(), FreePort());
        var clock = Stopwatch.StartNew();
        var bench = new BenchOperator(
            ChildProcess.Start(
                Repository.Built("artifacts/publish/operator/premortem-operator", "build"),
                ["run", "--config", config, "--kubeconfig", kubeconfig, "--namespace", "premortem-system", "--bind-address", "127.0.0.1",
                    "--http-port", http.ToString(CultureInfo.InvariantCulture), "--https-port", https.ToString(CultureInfo.InvariantCulture), "--log-level", "Warning"]),
            http,
            https);
        while (!await bench.IsReadyAsync())
        {
            if (bench._process.HasExited || clock.Elapsed > TimeSpan.FromMinutes(2))
                throw new InvalidOperationException($"the operator does not get ready:\n{bench._process.Output}");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
        bench.Readied = clock.Elapsed;
        return bench;
    }

    public double ResidentMiB => double.Parse(File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS", StringComparison.Ordinal)).Split(':')[1].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;

    public double CpuSeconds
    {
        get
        {
            var stat = File.ReadAllText($"/proc/{_process.Id}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / 100;
        }
    }

    /// <summary>The sum over all labels.</summary>
    public async Task<double> FigureAsync(string series) => (await _http.GetStringAsync("/metrics")).Split('\n')
        .Where(line => line.StartsWith(series, StringComparison.Ordinal) && line.Length > series.Length && line[series.Length] is ' ' or '{')
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _process.DisposeAsync();
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync("/readyz");
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
