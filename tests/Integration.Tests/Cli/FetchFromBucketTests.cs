using System.Security.Cryptography;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Cli;

/// <summary>The native program against a real S3 server, and what a network and other people do to it.</summary>
public sealed class FetchFromBucketTests : IAsyncLifetime
{
    private const int Large = 12_345_678;

    private readonly TemporaryFolder _folder = new();
    private readonly CaptureInStore _capture = CaptureInStore.Of(
        "9d3f0a51c2e7",
        ("heap.pb.gz", RandomNumberGenerator.GetBytes(Large)),
        ("core.dmp.gz", RandomNumberGenerator.GetBytes(Large)),
        ("memory.csv", RandomNumberGenerator.GetBytes(700)),
        ("report.html", RandomNumberGenerator.GetBytes(70_000)),
        ("goroutine.pb.gz", []));

    private TestBucket _bucket = null!;
    private AnswerProxy _proxy = null!;

    public async ValueTask InitializeAsync()
    {
        _bucket = await S3Server.NewBucketAsync();
        _proxy = AnswerProxy.Before(_bucket.Server.Endpoint);
        await _capture.PutAsync(_bucket, "prod");
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _bucket.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_the_bucket_holds_is_listed_and_fetched_by_what_was_listed()
    {
        var listed = (await RunAsync("captures", "--store", Store, "-o", "wide")).AssertOk();
        Assert.Equal(["NAMESPACE", "NAME", "POD", "TRIGGER", "MEMORY", "TOP", "OUTCOME", "PHASE", "LOCATION", "AGE"], Words(listed.Lines[0]));
        var row = Words(listed.Lines[1]);
        Assert.Equal(["shop", "checkout-7d9f-9d3f0a51c2e7", "checkout-7d9f", "oom-ahead", "241Mi/256Mi", "(94%)", "main.MemoryIntensiveFunc", "OOMKilled", "Partial"], row[..9]);

        var fetched = (await RunAsync("fetch", row[9], "--endpoint", _proxy.Endpoint.AbsoluteUri, "-o", Into)).AssertOk();

        AssertWhole();
        Assert.Equal([.. _capture.Files.Keys.Select(name => Path.Combine(Into, name)), Path.Combine(Into, Names.Manifest)], fetched.Lines);
        Assert.Contains("cpu.pb.gz: not captured: the target had died", fetched.Errors, StringComparison.Ordinal);
        Assert.Contains("main.MemoryIntensiveFunc held 150 MiB, 97.5%", fetched.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_namespace_and_an_age_narrow_the_list()
    {
        Assert.Single((await RunAsync("captures", "--store", Store, "-n", "shop", "-o", "name")).AssertOk().Lines);
        Assert.Empty((await RunAsync("captures", "--store", Store, "-n", "sho", "-o", "name")).AssertOk().Lines);
        Assert.Empty((await RunAsync("captures", "--store", Store, "--since", "1h", "-o", "name")).AssertOk().Lines);
        Assert.Empty((await RunAsync("captures", "--store", Store, "--pod", "other", "-o", "name")).AssertOk().Lines);
    }

    [Fact]
    public async Task A_connection_that_is_cut_in_the_middle_goes_on_where_it_broke()
    {
        _proxy.CutAnswers(connections: 4, afterBytes: 3_000_000);

        (await FetchAsync()).AssertOk();

        AssertWhole();
        Assert.Contains("Range: bytes=", _proxy.Requests, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_second_run_fetches_what_the_first_could_not_and_nothing_else()
    {
        // The connection for the manifest, and then whatever comes, for as long as the first run tries.
        _proxy.CutAnswers(connections: 1000, afterBytes: 2_000_000);
        using (var heap = File.Create(Path.Combine(Directory.CreateDirectory(Into).FullName, "core.dmp.gz.part")))
            heap.Write(_capture.Files["core.dmp.gz"].AsSpan(0, 10_000_000));
        await DeleteAsync("heap.pb.gz");
        var first = await FetchAsync();

        Assert.Equal(1, first.ExitCode);
        Assert.Contains("heap.pb.gz: it is not there", first.Errors, StringComparison.Ordinal);
        Assert.Contains("1 of 5 files could not be fetched", first.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Into, Names.Manifest)));
        Assert.Equal(_capture.Files["core.dmp.gz"], File.ReadAllBytes(Path.Combine(Into, "core.dmp.gz")));
        Assert.Contains("Range: bytes=10000000-", _proxy.Requests, StringComparison.OrdinalIgnoreCase);

        _proxy.CutAnswers(0, 0);
        _proxy.Forget();
        await _capture.PutAsync(_bucket, "prod");
        (await FetchAsync()).AssertOk();

        AssertWhole();
        Assert.Contains("/heap.pb.gz", _proxy.Requests, StringComparison.Ordinal);
        Assert.DoesNotContain("/core.dmp.gz", _proxy.Requests, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_part_of_something_else_is_not_built_upon()
    {
        File.WriteAllBytes(Path.Combine(Directory.CreateDirectory(Into).FullName, "heap.pb.gz.part"), RandomNumberGenerator.GetBytes(5_000_000));

        (await FetchAsync()).AssertOk();

        AssertWhole();
    }

    [Fact]
    public async Task Content_that_was_changed_in_the_bucket_is_refused_and_the_rest_is_there()
    {
        var changed = (byte[])_capture.Files["heap.pb.gz"].Clone();
        changed[Large / 2] ^= 1;
        await PutAsync("heap.pb.gz", changed);

        var fetched = await FetchAsync();

        Assert.Equal(1, fetched.ExitCode);
        Assert.Contains("heap.pb.gz: its content is not what the manifest says (SHA-256 differs)", fetched.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Into, "heap.pb.gz")));
        Assert.False(File.Exists(Path.Combine(Into, Names.Manifest)));
        Assert.True(File.Exists(Path.Combine(Into, "core.dmp.gz")));
    }

    [Fact]
    public async Task A_file_that_is_larger_than_its_manifest_says_is_refused()
    {
        await PutAsync("memory.csv", new byte[5_000_000]);

        var fetched = await FetchAsync();

        Assert.Equal(1, fetched.ExitCode);
        Assert.Contains("memory.csv: it is larger than the 700 bytes that the manifest says", fetched.Errors, StringComparison.Ordinal);
        Assert.InRange(new FileInfo(Path.Combine(Into, "memory.csv.part")).Length, 0, 700);
    }

    [Fact]
    public async Task A_folder_without_a_manifest_is_no_capture_yet()
    {
        await DeleteAsync(Names.Manifest);

        var fetched = await FetchAsync();

        Assert.Equal(1, fetched.ExitCode);
        Assert.Contains("no capture that is whole", fetched.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_secret_is_said_and_no_secret_is()
    {
        var environment = new Dictionary<string, string?>(Environment) { ["AWS_SECRET_ACCESS_KEY"] = "wrong-and-private" };

        var listed = await PremortemProgram.RunAsync(environment, "captures", "--store", Store);

        Assert.Equal(1, listed.ExitCode);
        Assert.Contains("check AWS_SECRET_ACCESS_KEY", listed.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-and-private", listed.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_credentials_it_says_where_they_are_looked_for()
    {
        var listed = await PremortemProgram.RunAsync(new Dictionary<string, string?>(), "captures", "--store", Store);

        Assert.Equal(1, listed.ExitCode);
        Assert.Contains("no S3 credentials found: set AWS_ACCESS_KEY_ID", listed.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_of_a_profile_are_taken()
    {
        var file = _folder.File("credentials");
        await File.WriteAllTextAsync(file, $"[night]\naws_access_key_id = {_bucket.Server.AccessKey}\naws_secret_access_key = {_bucket.Server.SecretKey}\n");
        var environment = new Dictionary<string, string?> { ["AWS_SHARED_CREDENTIALS_FILE"] = file, ["AWS_PROFILE"] = "night" };

        Assert.Single((await PremortemProgram.RunAsync(environment, "captures", "--store", Store, "-o", "name")).AssertOk().Lines);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_and_a_server_that_is_not_there_are_told_apart()
    {
        var bucket = await RunAsync("captures", "--store", $"s3://premortem-no-such-bucket?endpoint={_proxy.Endpoint}");
        Assert.Equal(1, bucket.ExitCode);
        Assert.Contains("there is no such bucket", bucket.Errors, StringComparison.Ordinal);

        var server = await RunAsync("captures", "--store", $"s3://{_bucket.Name}?endpoint=http://127.0.0.1:1");
        Assert.Equal(1, server.ExitCode);
        Assert.Contains("the connection to 127.0.0.1:1 failed (ConnectionRefused)", server.Errors, StringComparison.Ordinal);
    }

    private string Store => $"s3://{_bucket.Name}/prod?endpoint={_proxy.Endpoint}&region={S3Server.Region}";

    private string Url => $"s3://{_bucket.Name}/prod/{_capture.Record.Folder}?endpoint={_proxy.Endpoint}";

    private string Into => _folder.File("night");

    private Dictionary<string, string?> Environment => new()
    {
        ["AWS_ACCESS_KEY_ID"] = _bucket.Server.AccessKey,
        ["AWS_SECRET_ACCESS_KEY"] = _bucket.Server.SecretKey,
    };

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private Task<PremortemRun> FetchAsync() => RunAsync("fetch", Url, "-o", Into);

    private Task<PremortemRun> RunAsync(params string[] arguments) => PremortemProgram.RunAsync(Environment, arguments);

    private async Task PutAsync(string name, byte[] content) => await _bucket.Client.PutObjectAsync(new Amazon.S3.Model.PutObjectRequest
    {
        BucketName = _bucket.Name,
        Key = $"prod/{_capture.Record.Folder}{name}",
        InputStream = new MemoryStream(content),
        UseChunkEncoding = false,
    });

    private async Task DeleteAsync(string name) => await _bucket.Client.DeleteObjectAsync(_bucket.Name, $"prod/{_capture.Record.Folder}{name}");

    private void AssertWhole()
    {
        foreach (var (name, content) in _capture.Files.Append(new(Names.Manifest, _capture.Manifest)))
            Assert.Equal(Convert.ToHexString(SHA256.HashData(content)), Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(Into, name)))));
        Assert.Equal(_capture.Files.Count + 1, Directory.GetFileSystemEntries(Into).Length);
    }
}
