using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>The verbs on profiles, given captures.</summary>
public sealed class StoredProfileTests : IDisposable
{
    private readonly FakeCluster _cluster = new();
    private readonly TemporaryFolder _store = new();

    public void Dispose()
    {
        _cluster.Dispose();
        _store.Dispose();
    }

    [Theory]
    [InlineData("checkout-1")]
    [InlineData("capture/checkout-1")]
    [InlineData("pcap/checkout-1")]
    [InlineData("profilecapture.premortem.dev/checkout-1")]
    public void A_capture_is_read_by_its_name(string source)
    {
        Capture();

        var (exitCode, output, errors) = _cluster.Run("top", source, "-n", "shop");

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("main.grow", output, StringComparison.Ordinal);
        Assert.Contains("get profilecaptures.premortem.dev checkout-1 -n shop", _cluster.Calls, StringComparison.Ordinal);
    }

    [Fact]
    public void Alone_it_is_compared_with_its_own_baseline()
    {
        Capture();

        var (exitCode, output, errors) = _cluster.Run("diff", "checkout-1");

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("main.grow", output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_what_the_manifest_says_is_not_read()
    {
        var folder = Capture();
        File.WriteAllBytes(Path.Combine(folder, "heap.pb.gz"), Profile("main.evil"));

        var (exitCode, output, errors) = _cluster.Run("top", "checkout-1");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("SHA-256 differs", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_that_it_has_not_is_told_with_those_that_it_has()
    {
        Capture();

        var (exitCode, _, errors) = _cluster.Run("top", "checkout-1", "--type", "block");

        Assert.Equal(1, exitCode);
        Assert.Contains("checkout-1: the capture has no profile of type block; it has baseline-heap.pb.gz, heap.pb.gz", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_word_that_is_a_file_here_is_the_file()
    {
        var file = $"profile-{Guid.NewGuid():n}";
        File.WriteAllBytes(file, Profile("main.here"));
        try
        {
            Assert.Contains("main.here", _cluster.Run("top", file).Output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("heap.pb.gz", "heap.pb.gz: there is no such file")]
    [InlineData("./checkout-1", "./checkout-1: there is no such file")]
    [InlineData("checkout-9", "there is no ProfileCapture 'checkout-9' in this namespace")]
    public void What_is_not_there_is_told_as_what_it_looked_like(string source, string says)
    {
        var (exitCode, _, errors) = _cluster.Run("top", source);

        Assert.Equal(1, exitCode);
        Assert.Contains(says, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("top", "-n", "10", "/dev/null")]
    [InlineData("top", "capture/--all")]
    public void What_is_not_understood_ends_with_2(params string[] args) => Assert.Equal(2, _cluster.Run(args).ExitCode);

    [Fact]
    public void A_report_that_is_here_is_opened_where_it_is()
    {
        var folder = Capture();

        var (exitCode, output, errors) = _cluster.Run("open", folder, "--browser=false");

        Assert.Equal((0, Path.Combine(folder, "report.html") + "\n", ""), (exitCode, output, errors));
    }

    [Fact]
    public void A_report_is_fetched_with_its_capture_and_opened()
    {
        var folder = Capture();
        var seen = _store.File("seen");
        _cluster.With("browser", $"#!/bin/sh\necho \"$1\" >{seen}.part && mv {seen}.part {seen}\n");
        var browser = Path.Combine(Path.GetDirectoryName(_cluster.Kubectl)!, "browser");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(browser, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var output = new MemoryStream();
        using var errors = new StringWriter();

        var exitCode = CommandTree.Run(["open", folder, "-o", _store.File("here")], new World(() => output, errors) { Variable = name => name == "BROWSER" ? browser : null });

        Assert.True(exitCode == 0, errors.ToString());
        Assert.True(SpinWait.SpinUntil(() => File.Exists(seen), TimeSpan.FromSeconds(10)), "the browser was not started");
        Assert.Equal(_store.File("here/report.html"), File.ReadAllText(seen).TrimEnd());
    }

    private string Capture()
    {
        var folder = CaptureInStore.Of("9d3f0a51c2e7", ("baseline-heap.pb.gz", Profile("main.grow", 1)), ("heap.pb.gz", Profile("main.grow", 3)), ("report.html", "<html>"u8.ToArray())).Write(_store.Path);
        _cluster.With("profilecaptures.premortem.dev.checkout-1.json", $$$"""
            {"metadata":{"name":"checkout-1","namespace":"shop"},"spec":{"podName":"checkout"},"status":{"phase":"Completed","location":"file://{{{folder}}}/"}}
            """);
        return folder;
    }

    private static byte[] Profile(string function, long megabytes = 1)
    {
        var encoder = PprofEncoder.Heap();
        return encoder.Sample([encoder.Location(encoder.Function(function))], [1, megabytes << 20]).ToGzip();
    }
}
