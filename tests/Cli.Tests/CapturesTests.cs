using Premortem.Cli.Captures;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class CapturesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(119, "119s")]
    [InlineData(120, "2m")]
    [InlineData(599, "9m59s")]
    [InlineData(600, "10m")]
    [InlineData((3 * 3600) - 1, "179m")]
    [InlineData(3 * 3600, "3h")]
    [InlineData((7 * 3600) + 720, "7h12m")]
    [InlineData(47 * 3600, "47h")]
    [InlineData(50 * 3600, "2d2h")]
    [InlineData(100 * 86400, "100d")]
    [InlineData(3 * 365 * 86400, "3y")]
    public void Ages_are_written_as_kubectl_writes_them(int seconds, string age) => Assert.Equal(age, CaptureTable.Age(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void A_manifest_that_is_none_is_passed_over_and_named()
    {
        CaptureInStore.Of("9d3f0a51c2e7", ("heap.pb.gz", [1])).Write(_folder.Path);
        var other = Directory.CreateDirectory(_folder.File("shop/checkout/broken"));
        File.WriteAllText(Path.Combine(other.FullName, "manifest.json"), "{\"schema\":1}");

        var (exitCode, output, errors) = Premortem.Run("captures", "--store", _folder.Path, "-o", "name");

        Assert.Equal((0, "profilecapture.premortem.dev/checkout-7d9f-9d3f0a51c2e7\n"), (exitCode, output));
        Assert.Contains("passed over: ", errors, StringComparison.Ordinal);
        Assert.Contains("broken", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_do_not_drive_the_terminal()
    {
        var capture = CaptureInStore.Of("9d3f0a51c2e7", ("heap.pb.gz", [1]));
        var folder = capture.Write(_folder.Path);
        var manifest = File.ReadAllText(Path.Combine(folder, "manifest.json"));
        File.WriteAllText(Path.Combine(folder, "manifest.json"), manifest.Replace("main.MemoryIntensiveFunc", "main.\\u001b[2Jx\\u202ey", StringComparison.Ordinal));

        var (exitCode, output, _) = Premortem.Run("captures", "--store", _folder.Path);

        Assert.Equal(0, exitCode);
        Assert.Contains("main.\\u001b[2Jx\\u202ey", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_kubectl_it_says_what_to_do()
    {
        var (exitCode, output, errors) = Premortem.Run("captures", "--kubectl", _folder.File("none"));

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("--kubectl or KUBECTL", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("captures", "-o", "csv")]
    [InlineData("captures", "--since", "yesterday")]
    [InlineData("captures", "--since", "0s")]
    [InlineData("captures", "-A", "-n", "shop")]
    [InlineData("captures", "--store", "s3://profiles", "--watch")]
    [InlineData("captures", "--store", "s3://profiles", "-l", "a=b")]
    [InlineData("captures", "--store", "http://minio:9000/profiles")]
    [InlineData("captures", "--store", "s3://")]
    [InlineData("captures", "--store", "s3://profiles?endpoint=minio")]
    [InlineData("captures", "--store", "s3://profiles?endpont=http://minio")]
    [InlineData("captures", "--store", "s3://profiles", "--endpoint", "ftp://minio")]
    [InlineData("fetch")]
    [InlineData("fetch", "--no-such-flag")]
    [InlineData("fetch", "a", "b")]
    [InlineData("fetch", "s3://profiles/x", "--credentials-from-secret")]
    public void What_is_not_understood_ends_with_2(params string[] args)
    {
        var (exitCode, output, errors) = Premortem.Run(args);

        Assert.Equal((2, ""), (exitCode, output));
        Assert.StartsWith("premortem: ", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/usr/local/bin/kubectl-premortem", "kubectl premortem")]
    [InlineData("premortem", "premortem")]
    [InlineData(null, "premortem")]
    public void The_help_speaks_of_the_program_as_the_user_does(string? path, string program) => Assert.Equal(program, World.ProgramOf(path));
}
