// Stores one file as the sidecar does, and says what it took: Premortem.UploadBench FILE BUCKET KEY
// The server comes from TEST_S3_ENDPOINT, the credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;

if (args is not [var file, var bucket, var key])
{
    Console.Error.WriteLine("Premortem.UploadBench FILE BUCKET KEY");
    return 64;
}

// The sidecar knows it since the capture.
string sha256;
await using (var content = File.OpenRead(file))
    sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(content));

var storage = new S3Storage(bucket) { Endpoint = new Uri(Environment.GetEnvironmentVariable("TEST_S3_ENDPOINT")!), ForcePathStyle = true };
using var store = ArtifactStores.Open(storage, TimeProvider.System);
var clock = Stopwatch.StartNew();
await store.PutAsync(key, file, sha256, CancellationToken.None);
var seconds = clock.Elapsed.TotalSeconds;

var peak = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
var cpu = Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seconds={seconds:0.00} peak_rss_kib={peak} cpu_seconds={cpu:0.00}"));
return 0;
