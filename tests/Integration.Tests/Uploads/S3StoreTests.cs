using Amazon.S3;
using Amazon.S3.Model;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Uploads;

/// <summary>The store against a real server; what is stored is always read back whole and compared.</summary>
public sealed class S3StoreTests : IAsyncLifetime
{
    private const long Large = (60L * 1024 * 1024) + 12_345;

    private readonly TemporaryFolder _folder = new();
    private readonly List<IDisposable> _stores = [];
    private TestBucket _bucket = null!;
    private FaultProxy _proxy = null!;

    public async ValueTask InitializeAsync()
    {
        _bucket = await S3Server.NewBucketAsync();
        _proxy = FaultProxy.Before(_bucket.Server.Endpoint);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var store in _stores)
            store.Dispose();
        await _proxy.DisposeAsync();
        await _bucket.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(345_678)]
    [InlineData(8 * 1024 * 1024)]
    [InlineData((8 * 1024 * 1024) + 1)]
    [InlineData(Large)]
    public async Task A_file_of_any_size_comes_back_byte_for_byte(long bytes)
    {
        var file = SampleFile.Make(_folder, bytes);

        await Open().PutAsync("shop/a b+ü/heap.pb.gz", file.Path, file.Sha256, default);

        await _bucket.AssertHoldsAsync("prod/shop/a b+ü/heap.pb.gz", file.Path);
        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task A_second_upload_replaces_the_first()
    {
        var store = Open();
        foreach (var bytes in new[] { Large, 1000 })
        {
            var file = SampleFile.Make(_folder, bytes);
            await store.PutAsync("heap", file.Path, file.Sha256, default);
            await _bucket.AssertHoldsAsync("prod/heap", file.Path);
        }
    }

    [Fact]
    public async Task A_large_upload_needs_no_memory_of_its_size()
    {
        var file = SampleFile.Make(_folder, Large);
        var store = Open();
        await store.CheckAsync(default);
        var before = GC.GetTotalAllocatedBytes(precise: true);

        await store.PutAsync("heap", file.Path, file.Sha256, default);

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 8 * 1024 * 1024);
    }

    [Fact]
    public async Task An_unknown_access_key_is_said_and_no_secret_is()
    {
        var failure = await FailsAsync(Open(Credentials("NOBODYKNOWSTHISKEY00", "not-the-secret-of-anybody")));

        Assert.Equal((Reasons.AccessDenied, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("check accessKeyId", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("not-the-secret", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_secret_is_said_and_not_shown()
    {
        var failure = await FailsAsync(Open(Credentials(_bucket.Server.AccessKey, "not-the-secret-of-anybody")));

        Assert.Equal((Reasons.AccessDenied, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("check secretAccessKey", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("not-the-secret", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rotated_credentials_are_taken_up_without_a_new_store()
    {
        var credentials = Credentials(_bucket.Server.AccessKey, "not-yet-the-secret");
        var store = Open(credentials);
        await FailsAsync(store);

        await File.WriteAllTextAsync(Path.Combine(credentials, "secretAccessKey"), _bucket.Server.SecretKey + "\n");

        await StoresAsync(store, 1000);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_said()
    {
        var failure = await FailsAsync(Open(storage: Storage() with { Bucket = "premortem-no-such-bucket" }));

        Assert.Equal((Reasons.BucketNotFound, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("spec.storage.s3.bucket", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Https_to_a_server_that_speaks_http_is_said()
    {
        var failure = await FailsAsync(Open(storage: Storage() with { Endpoint = new Uri($"https://{_bucket.Server.Endpoint.Authority}") }));

        Assert.Equal((Reasons.StoreUnreachable, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("https by mistake", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_said()
    {
        var failure = await FailsAsync(Open(storage: Storage() with { Endpoint = new Uri("http://no-such-host.invalid:9000") }));

        Assert.Equal((Reasons.StoreUnreachable, true), (failure.Reason, failure.IsTransient));
        Assert.Contains("does not resolve", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_few_503s_are_outlasted()
    {
        var store = OpenThroughProxy();
        _proxy.AnswerUnavailable(3);
        await StoresAsync(store, 1000);
        _proxy.AnswerUnavailable(3);
        await StoresAsync(store, Large);
    }

    [Fact]
    public async Task A_part_that_meets_too_many_503s_ends_the_upload_as_unreachable_and_leaves_nothing_behind()
    {
        var store = OpenThroughProxy(Quick with { PartsInFlight = 1 });
        var file = SampleFile.Make(_folder, Large);
        // Slow, so that the trouble begins while parts are on their way.
        _proxy.Slow(20 * 1024 * 1024);
        var upload = store.PutAsync("heap", file.Path, file.Sha256, default);
        await Eventually.IsTrue(() => _proxy.Requests > 2, "parts on their way");
        _proxy.AnswerUnavailable(Quick.Attempts);

        var failure = await Assert.ThrowsAsync<StoreException>(() => upload);

        Assert.Equal((Reasons.StoreUnreachable, true), (failure.Reason, failure.IsTransient));
        Assert.Empty(await _bucket.UnfinishedAsync());
        Assert.Empty(await _bucket.KeysAsync());
    }

    [Fact]
    public async Task What_could_not_be_aborted_in_time_is_abandoned_later()
    {
        var store = OpenThroughProxy();
        var file = SampleFile.Make(_folder, Large);
        _proxy.Slow(20 * 1024 * 1024);
        var upload = store.PutAsync("shop/one/heap", file.Path, file.Sha256, default);
        await Eventually.IsTrue(() => _proxy.Requests > 2, "parts on their way");
        _proxy.AnswerUnavailable(int.MaxValue);
        await Assert.ThrowsAsync<StoreException>(() => upload);
        Assert.Equal(["prod/shop/one/heap"], await _bucket.UnfinishedAsync());
        _proxy.AnswerUnavailable(0);

        await store.AbandonUnfinishedAsync("shop/one/", default);

        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task A_slow_network_is_no_stall()
    {
        // Slower than the stall's time for each part, but it moves.
        _proxy.Slow(4 * 1024 * 1024);
        await StoresAsync(OpenThroughProxy(Quick with { Stall = TimeSpan.FromSeconds(1), SlowestBytesPerSecond = 1024 * 1024 }), 20 * 1024 * 1024);
    }

    [Fact]
    public async Task A_connection_cut_in_the_middle_of_a_part_costs_that_part_only()
    {
        var store = OpenThroughProxy();
        _proxy.CutBodies(2, afterBytes: 3 * 1024 * 1024);
        await StoresAsync(store, Large);
        // Start, 8 parts, completion, and the two that were cut.
        Assert.Equal(12, _proxy.Requests);
    }

    [Fact]
    public async Task A_connection_cut_in_the_middle_of_a_single_body_is_outlasted()
    {
        var store = OpenThroughProxy();
        _proxy.CutBodies(1, afterBytes: 100_000);
        await StoresAsync(store, 3_000_000);
    }

    [Fact]
    public async Task A_byte_that_changes_on_the_way_is_noticed_and_sent_again()
    {
        var store = OpenThroughProxy();
        _proxy.CorruptBodies(1);
        await StoresAsync(store, 1000);
        _proxy.CorruptBodies(2);
        await StoresAsync(store, Large);
    }

    [Fact]
    public async Task A_server_that_is_down_is_said_and_used_again_when_it_is_back()
    {
        var store = OpenThroughProxy();
        await StoresAsync(store, 1000);
        await _proxy.GoDownAsync();

        var failure = await FailsAsync(store);
        Assert.Equal((Reasons.StoreUnreachable, true), (failure.Reason, failure.IsTransient));

        _proxy.ComeBack();
        await StoresAsync(store, Large);
    }

    [Fact]
    public async Task A_server_that_goes_down_in_the_middle_and_comes_back_soon_is_outlasted()
    {
        var store = OpenThroughProxy(Quick with { FirstPause = TimeSpan.FromSeconds(1) });
        var file = SampleFile.Make(_folder, Large);
        _proxy.Slow(20 * 1024 * 1024);
        var upload = store.PutAsync("heap", file.Path, file.Sha256, default);
        await Eventually.IsTrue(() => _proxy.Requests > 2, "parts on their way");
        await _proxy.GoDownAsync();
        _proxy.ComeBack();

        await upload;

        await _bucket.AssertHoldsAsync("prod/heap", file.Path);
    }

    [Fact]
    public async Task A_server_that_takes_everything_and_never_answers_is_given_up()
    {
        var store = OpenThroughProxy(Quick with { Stall = TimeSpan.FromMilliseconds(300), Attempts = 2, SlowestBytesPerSecond = 1024 * 1024 * 1024 });
        _proxy.Hang(2);

        var failure = await FailsAsync(store);

        Assert.Equal((Reasons.StoreUnreachable, true), (failure.Reason, failure.IsTransient));
        await StoresAsync(store, 1000);
    }

    [Fact]
    public async Task A_cancelled_upload_leaves_nothing_behind()
    {
        using var cancel = new CancellationTokenSource();
        var file = SampleFile.Make(_folder, Large);
        _proxy.Slow(4 * 1024 * 1024);
        var upload = OpenThroughProxy().PutAsync("heap", file.Path, file.Sha256, cancel.Token);
        await Eventually.IsTrue(() => _proxy.Requests > 2, "parts on their way");
        Assert.NotEmpty(await _bucket.UnfinishedAsync());

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => upload);
        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task Unfinished_uploads_of_the_folder_are_abandoned_and_no_others()
    {
        foreach (var key in new[] { "prod/shop/one/heap", "prod/shop/one/cpu", "prod/shop/two/heap" })
            await _bucket.Client.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest { BucketName = _bucket.Name, Key = key });

        await Open().AbandonUnfinishedAsync("shop/one/", default);

        Assert.Equal(["prod/shop/two/heap"], await _bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task The_check_leaves_nothing_behind()
    {
        await Open().CheckAsync(default);

        Assert.Empty(await _bucket.KeysAsync());
        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    [Fact]
    public async Task The_check_notices_that_writing_is_not_allowed()
    {
        await _bucket.Client.PutBucketPolicyAsync(
            _bucket.Name,
            $$"""{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{{_bucket.Name}}/*"}]}""");

        var failure = await Assert.ThrowsAsync<StoreException>(() => Open().CheckAsync(default));

        Assert.Equal((Reasons.AccessDenied, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("may not", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(Large)]
    public async Task A_file_that_changed_since_the_capture_is_not_stored(long bytes)
    {
        var file = SampleFile.Make(_folder, bytes);
        var other = SampleFile.Make(_folder, bytes);

        var failure = await Assert.ThrowsAsync<StoreException>(() => Open().PutAsync("heap", file.Path, other.Sha256, default));

        Assert.Equal((Reasons.ContentMismatch, false), (failure.Reason, failure.IsTransient));
        Assert.Empty(await _bucket.KeysAsync());
        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(Large)]
    public async Task Objects_are_encrypted_with_the_key_that_the_policy_names(long bytes)
    {
        Need.Part(_bucket.Server.IsOurs, "a server with the KMS key of tests/s3/s3");
        var file = SampleFile.Make(_folder, bytes);
        var store = Open(storage: Storage() with { ServerSideEncryption = new ServerSideEncryption("aws:kms", S3Server.KmsKey) });

        await store.CheckAsync(default);
        await store.PutAsync("heap", file.Path, file.Sha256, default);

        var stored = await _bucket.Client.GetObjectMetadataAsync(_bucket.Name, "prod/heap");
        Assert.Equal(
            (ServerSideEncryptionMethod.AWSKMS, S3Server.KmsKey), (stored.ServerSideEncryptionMethod, stored.ServerSideEncryptionKeyManagementServiceKeyId));
        await _bucket.AssertHoldsAsync("prod/heap", file.Path);
    }

    [Fact]
    public async Task An_encryption_that_the_server_cannot_do_is_said_and_nothing_is_stored_in_clear()
    {
        Need.Part(_bucket.Server.IsOurs, "a server that cannot do aws:kms:dsse");
        var store = OpenThroughProxy(storage: Storage() with { ServerSideEncryption = new ServerSideEncryption("aws:kms:dsse", S3Server.KmsKey) });

        var failure = await FailsAsync(store);

        Assert.Equal((Reasons.StoreRefused, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("x-amz-server-side-encryption: aws:kms:dsse", Assert.Single(_proxy.Heads), StringComparison.OrdinalIgnoreCase);
        Assert.Empty(await _bucket.KeysAsync());
    }

    // Short pauses: what is tested is that it tries again, not how long it waits.
    private static S3Limits Quick => new() { FirstPause = TimeSpan.FromMilliseconds(10) };

    private S3Storage Storage() => new(_bucket.Name) { Endpoint = _bucket.Server.Endpoint, ForcePathStyle = true, Prefix = "prod", Region = S3Server.Region };

    private S3Store OpenThroughProxy(S3Limits? limits = null, S3Storage? storage = null) =>
        Open(storage: (storage ?? Storage()) with { Endpoint = _proxy.Endpoint }, limits: limits);

    private S3Store Open(string? credentials = null, S3Storage? storage = null, S3Limits? limits = null)
    {
        var store = new S3Store(
            storage ?? Storage(),
            credentials ?? Credentials(_bucket.Server.AccessKey, _bucket.Server.SecretKey),
            TimeProvider.System,
            limits ?? Quick);
        _stores.Add(store);
        return store;
    }

    private string Credentials(string accessKey, string secretKey)
    {
        var folder = Directory.CreateDirectory(_folder.File(Path.GetRandomFileName())).FullName;
        File.WriteAllText(Path.Combine(folder, "accessKeyId"), accessKey);
        File.WriteAllText(Path.Combine(folder, "secretAccessKey"), secretKey);
        return folder;
    }

    private async Task StoresAsync(S3Store store, long bytes)
    {
        var file = SampleFile.Make(_folder, bytes);
        await store.PutAsync("heap", file.Path, file.Sha256, default);
        await _bucket.AssertHoldsAsync("prod/heap", file.Path);
        Assert.Empty(await _bucket.UnfinishedAsync());
    }

    private async Task<StoreException> FailsAsync(S3Store store)
    {
        var file = SampleFile.Make(_folder, 1000);
        return await Assert.ThrowsAsync<StoreException>(() => store.PutAsync("heap", file.Path, file.Sha256, default));
    }
}
