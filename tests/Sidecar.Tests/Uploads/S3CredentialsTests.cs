using Premortem.Contracts;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class S3CredentialsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_mounted_secret_is_read_without_the_line_ends_of_its_files()
    {
        Write("accessKeyId", "key\n");
        Write("secretAccessKey", "secret\r\n");

        var found = await Mounted.GetCredentialsAsync();

        Assert.Equal(("key", "secret", ""), (found.AccessKey, found.SecretKey, found.Token));
    }

    [Fact]
    public async Task A_rotated_secret_is_read_anew()
    {
        var credentials = Mounted;
        Write("accessKeyId", "old");
        Write("secretAccessKey", "old");
        Assert.Equal("old", (await credentials.GetCredentialsAsync()).AccessKey);

        Write("accessKeyId", "new");
        Write("sessionToken", "token");

        var found = await credentials.GetCredentialsAsync();
        Assert.Equal(("new", "token"), (found.AccessKey, found.Token));
    }

    [Fact]
    public async Task A_secret_without_a_key_is_said_with_what_is_missing()
    {
        Write("accessKeyId", "key");

        var failure = await Assert.ThrowsAsync<StoreException>(() => Mounted.GetCredentialsAsync());

        Assert.Equal((Reasons.AccessDenied, false), (failure.Reason, failure.IsTransient));
        Assert.Contains("'secretAccessKey'", failure.Message, StringComparison.Ordinal);
    }

    private S3Credentials Mounted => new(_folder.Path, TimeSpan.FromSeconds(1));

    private void Write(string name, string text) => File.WriteAllText(_folder.File(name), text);
}
