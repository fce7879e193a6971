using System.Text.Json.Nodes;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class CaptureTests : IDisposable
{
    private const string Answer = """{"metadata":{"name":"a-now-x2x7k","namespace":"shop"}}""";

    private readonly FakeCluster _cluster = new FakeCluster()
        .With("created-answer.json", Answer)
        .With("pods.a.json", """
            {"metadata":{"name":"a","namespace":"shop","labels":{"premortem.dev/injected":"true"},
              "annotations":{"premortem.dev/status":"{\"version\":\"0.1.0\",\"targets\":[{\"container\":\"app\",\"runtime\":\"Go\"}]}"}},
             "spec":{"containers":[{"name":"app"},{"name":"premortem"}]},"status":{"phase":"Running"}}
            """)
        .With("pods.plain.json", """
            {"metadata":{"name":"plain","namespace":"shop"},"spec":{"containers":[{"name":"app"}]},"status":{"phase":"Running"}}
            """);

    public void Dispose() => _cluster.Dispose();

    [Fact]
    public void It_asks_for_what_was_said_and_follows_it_to_its_end()
    {
        Status("1", """{"phase":"Pending","conditions":[{"type":"Complete","status":"False","reason":"Waiting","message":"handed to the sidecar of a"}]}""");
        Status("2", """{"phase":"Capturing","container":"app"}""");
        Status("3", """
            {"phase":"Partial","container":"app","location":"s3://profiles/prod/x/","artifacts":[{"type":"Heap","key":"heap.pb.gz","bytes":2048},{"type":"Cpu","key":"cpu.pb.gz","error":"not enough time"}],
             "top":[{"name":"main.grow","flatBytes":104857600,"flatPercent":"97.5"}]}
            """);

        var (exitCode, output, errors) = _cluster.Run("capture", "a", "-n", "shop", "-c", "app", "--type", "heap,Cpu", "--duration", "5s");

        Assert.Equal(0, exitCode);
        var spec = JsonNode.Parse(_cluster.Created)!["spec"]!;
        Assert.Equal("""{"podName":"a","container":"app","captures":[{"type":"Heap"},{"type":"Cpu","duration":"5s"}]}""", spec.ToJsonString());
        Assert.Equal(["profilecapture.premortem.dev/a-now-x2x7k", "s3://profiles/prod/x/", "      flat  flat%  name", "   100 MiB  97.5%  main.grow"], output.TrimEnd().Split('\n'));
        foreach (var news in new[] { "Pending: Waiting: handed to the sidecar of a", "Capturing", "heap.pb.gz: 2 KiB", "cpu.pb.gz: not captured: not enough time" })
            Assert.Contains(news + "\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_waits_who_does_not_want_to()
    {
        var (exitCode, output, errors) = _cluster.Run("capture", "pod/a", "--wait=false");

        Assert.Equal((0, "profilecapture.premortem.dev/a-now-x2x7k\n", ""), (exitCode, output, errors));
        Assert.Equal("""{"podName":"a"}""", JsonNode.Parse(_cluster.Created)!["spec"]!.ToJsonString());
    }

    [Fact]
    public void A_capture_that_fails_ends_with_its_reason()
    {
        Status("1", """{"phase":"Failed","conditions":[{"type":"Complete","status":"False","reason":"NoAnswer","message":"no answer within 10 minutes"}]}""");

        var (exitCode, output, errors) = _cluster.Run("capture", "a");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("the capture a-now-x2x7k failed: NoAnswer: no answer within 10 minutes", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_has_waited_long_enough_is_told_how_to_look()
    {
        Status("1", """{"phase":"Capturing"}""");

        var (exitCode, _, errors) = _cluster.Run("capture", "a", "--timeout", "1s");

        Assert.Equal(1, exitCode);
        Assert.Contains("no end within 1s; the capture goes on: kubectl get pcap a-now-x2x7k -n shop -w", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("the pod plain has no sidecar: NoPolicy: there is no policy", "plain")]
    [InlineData("the pod a has no container 'web', but app", "a", "-c", "web")]
    [InlineData("Dump is for .NET, and app of a is a Go program: it has Heap, Cpu, Allocs", "a", "--type", "Dump")]
    [InlineData("there is no pod 'none' in this namespace", "none")]
    public void What_cannot_be_is_not_asked_for(string says, params string[] args)
    {
        var (exitCode, _, errors) = _cluster.Run(["capture", .. args]);

        Assert.Equal(1, exitCode);
        Assert.Contains(says, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("create", _cluster.Calls, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("capture")]
    [InlineData("capture", "a", "--type", "Everything")]
    [InlineData("capture", "a", "--type", "1")]
    [InlineData("capture", "a", "--duration", "5s")]
    [InlineData("capture", "a", "--type", "Cpu", "--duration", "1h")]
    [InlineData("capture", "a", "--duration", "soon")]
    [InlineData("capture", "--no-such-flag")]
    public void What_is_not_understood_ends_with_2(params string[] args) => Assert.Equal(2, _cluster.Run(args).ExitCode);

    private void Status(string order, string status) =>
        _cluster.With($"profilecaptures.premortem.dev.a-now-x2x7k.{order}.json", $$$"""{"metadata":{"name":"a-now-x2x7k","namespace":"shop"},"spec":{"podName":"a"},"status":{{{status}}} }""");
}
