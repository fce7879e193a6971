using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>Fetching from a folder, which anybody may have filled.</summary>
public sealed class FetchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CaptureInStore _capture = CaptureInStore.Of("9d3f0a51c2e7", ("heap.pb.gz", "a heap"u8.ToArray()), ("memory.csv", "a,b\n"u8.ToArray()));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_come_and_the_manifest_last_and_what_is_there_is_left()
    {
        var from = _capture.Write(_folder.File("store"));
        var (exitCode, output, errors) = Fetch(from);

        Assert.Equal((0, $"{Into}/heap.pb.gz\n{Into}/memory.csv\n{Into}/manifest.json\n"), (exitCode, output));
        Assert.Contains("cpu.pb.gz: not captured: the target had died", errors, StringComparison.Ordinal);
        Assert.Equal(_capture.Manifest, File.ReadAllBytes($"{Into}/manifest.json"));

        // Were one of them fetched again, it would be missing now.
        File.Delete(Path.Combine(from, "heap.pb.gz"));
        Assert.Equal((0, output), (Fetch(from) is var again ? again.ExitCode : -1, again.Output));
    }

    [Fact]
    public void Other_content_is_replaced_by_force_alone()
    {
        var from = _capture.Write(_folder.File("store"));
        Directory.CreateDirectory(Into);
        File.WriteAllText($"{Into}/heap.pb.gz", "mine!!");

        var (exitCode, _, errors) = Fetch(from);
        Assert.Equal((1, "mine!!", false), (exitCode, File.ReadAllText($"{Into}/heap.pb.gz"), File.Exists($"{Into}/memory.csv")));
        Assert.Contains($"{Into}/heap.pb.gz: there with other content; --force", errors, StringComparison.Ordinal);

        Assert.Equal((0, "a heap"), (Fetch(from, "--force").ExitCode, File.ReadAllText($"{Into}/heap.pb.gz")));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/outside")]
    [InlineData("sub/file")]
    [InlineData("..")]
    [InlineData(".bashrc")]
    [InlineData("-rf")]
    [InlineData("")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("a\u001b[2J")]
    [InlineData("heap.pb.gz.part")]
    [InlineData("Manifest.JSON")]
    [InlineData("MEMORY.csv")]
    public void A_name_that_could_surprise_is_refused_before_anything_is_written(string name)
    {
        var (exitCode, _, errors) = Fetch(Hostile(artifact => artifact["key"] = name));

        Assert.Equal(1, exitCode);
        Assert.Contains("nothing is fetched, for the manifest cannot be trusted", errors, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', errors);
        Assert.False(Directory.Exists(Into));
    }

    [Theory]
    [InlineData("bytes", "-1")]
    [InlineData("sha256", "\"12\"")]
    [InlineData("sha256", "\"zz\"")]
    public void A_size_or_a_hash_that_is_none_is_refused(string field, string value) =>
        Assert.Equal((1, false), (Fetch(Hostile(artifact => artifact[field] = JsonNode.Parse(value))).ExitCode, Directory.Exists(Into)));

    [Fact]
    public void More_than_the_disk_holds_is_not_begun()
    {
        var (exitCode, _, errors) = Fetch(Hostile(artifact => artifact["bytes"] = long.MaxValue));

        Assert.Equal(1, exitCode);
        Assert.Contains("are free", errors, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Into));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"schema\":\"premortem.dev/manifest/v9\"}")]
    [InlineData("<html>")]
    public void What_is_no_manifest_is_refused(string content)
    {
        var from = _capture.Write(_folder.File("store"));
        File.WriteAllText(Path.Combine(from, Names.Manifest), content);

        var (exitCode, _, errors) = Fetch(from);

        Assert.Equal(1, exitCode);
        Assert.Contains("this is no manifest of a capture", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_giant_manifest_is_refused()
    {
        var from = _capture.Write(_folder.File("store"));
        File.WriteAllText(Path.Combine(from, Names.Manifest), new string(' ', 5 << 20));

        var (exitCode, _, errors) = Fetch(from);

        Assert.Equal(1, exitCode);
        Assert.Contains("is larger than 4 MiB", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_null_inside_a_list_is_refused() =>
        Assert.Equal(1, Fetch(Hostile(artifact => artifact.Parent!.AsArray().Add(null))).ExitCode);

    private string Into => _folder.File("night");

    private (int ExitCode, string Output, string Errors) Fetch(string from, params string[] flags) => Premortem.Run(["fetch", from, "-o", Into, .. flags]);

    private string Hostile(Action<JsonObject> change)
    {
        var from = _capture.Write(_folder.File("store"));
        var manifest = JsonNode.Parse(_capture.Manifest)!;
        change(manifest["artifacts"]![0]!.AsObject());
        File.WriteAllText(Path.Combine(from, Names.Manifest), manifest.ToJsonString());
        return from;
    }
}
