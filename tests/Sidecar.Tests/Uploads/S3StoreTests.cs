using System.Net;
using System.Security.Cryptography;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

/// <summary>What goes over the wire, and what is made of answers that a real server cannot be brought to give.</summary>
public sealed class S3StoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StubServer _server = new();

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_session_token_is_sent_and_signed()
    {
        await PutAsync(token: "a-session-token");

        var sent = Assert.Single(_server.Requests);
        Assert.Equal("a-session-token", Header(sent, "X-Amz-Security-Token"));
        Assert.Contains("x-amz-security-token", Header(sent, "Authorization"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_server_is_given_both_hashes_to_check_and_a_plain_body()
    {
        var file = await PutAsync();

        var sent = Assert.Single(_server.Requests);
        Assert.Equal(file.Sha256, Header(sent, "X-Amz-Content-SHA256"));
        Assert.Equal(file.Sha256, Header(sent, "x-amz-meta-sha256"));
        Assert.Equal(Md5(file), Convert.FromBase64String(Header(sent, "Content-MD5")!));
        Assert.Null(Header(sent, "x-amz-decoded-content-length"));
        Assert.NotEqual(true, sent.Headers.ExpectContinue);
    }

    [Fact]
    public async Task Aes256_is_asked_for()
    {
        await PutAsync(Storage with { ServerSideEncryption = new ServerSideEncryption("AES256", null) });
        Assert.Equal("AES256", Header(Assert.Single(_server.Requests), "x-amz-server-side-encryption"));
    }

    [Fact]
    public async Task An_object_that_the_server_holds_wrong_is_deleted_and_said()
    {
        _server.ETag = "\"00000000000000000000000000000000\"";

        var failure = await Assert.ThrowsAsync<StoreException>(() => PutAsync());

        Assert.Equal((Reasons.ContentMismatch, true), (failure.Reason, failure.IsTransient));
        Assert.Equal([HttpMethod.Put, HttpMethod.Delete], _server.Requests.Select(request => request.Method));
    }

    [Fact]
    public async Task An_etag_that_is_no_hash_proves_nothing()
    {
        _server.ETag = "\"an-opaque-word\"";
        await PutAsync();
    }

    [Fact]
    public async Task The_etag_of_an_object_under_a_kms_key_proves_nothing()
    {
        _server.ETag = "\"00000000000000000000000000000000\"";
        _server.Encryption = "aws:kms";
        await PutAsync();
    }

    [Fact]
    public async Task A_web_server_that_is_no_s3_server_is_said()
    {
        _server.Status = HttpStatusCode.BadRequest;

        var failure = await Assert.ThrowsAsync<StoreException>(() => PutAsync());

        Assert.Equal((Reasons.StoreRefused, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("no answer of an S3 server", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_location_names_bucket_and_prefix()
    {
        using var store = Open(Storage with { Prefix = "/prod/" });
        Assert.Equal("s3://profiles/prod/shop/heap", store.Locate("shop/heap"));
    }

    private static S3Storage Storage => new("profiles") { Endpoint = new Uri("http://s3.test:9000"), ForcePathStyle = true };

    private static string? Header(HttpRequestMessage request, string name) =>
        request.Headers.TryGetValues(name, out var values) || request.Content!.Headers.TryGetValues(name, out values) ? values.First() : null;

    private static byte[] Md5(SampleFile file) => MD5.HashData(File.ReadAllBytes(file.Path));

    private async Task<SampleFile> PutAsync(S3Storage? storage = null, string? token = null)
    {
        var file = SampleFile.Make(_folder, 1000);
        _server.ETag ??= $"\"{Convert.ToHexStringLower(Md5(file))}\"";
        using var store = Open(storage ?? Storage, token);
        await store.PutAsync("shop/heap", file.Path, file.Sha256, default);
        return file;
    }

    private S3Store Open(S3Storage storage, string? token = null)
    {
        File.WriteAllText(_folder.File("accessKeyId"), "key");
        File.WriteAllText(_folder.File("secretAccessKey"), "secret");
        if (token is not null)
            File.WriteAllText(_folder.File("sessionToken"), token);
        return new S3Store(storage, _folder.Path, TimeProvider.System, new S3Limits { Attempts = 1 }, _server);
    }

    private sealed class StubServer : HttpMessageHandler
    {
        internal List<HttpRequestMessage> Requests { get; } = [];

        internal HttpStatusCode Status { get; set; } = HttpStatusCode.OK;

        internal string? ETag { get; set; }

        internal string? Encryption { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add(request);
            if (request.Content is { } body)
                await body.CopyToAsync(Stream.Null, cancellationToken);
            var response = new HttpResponseMessage(Status) { Content = new StringContent(Status == HttpStatusCode.OK ? "" : "<html>Bad Request</html>") };
            response.Headers.TryAddWithoutValidation("ETag", ETag);
            if (Encryption is { } encryption)
                response.Headers.Add("x-amz-server-side-encryption", encryption);
            return response;
        }
    }
}
