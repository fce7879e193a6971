using Premortem.Operator.Hosting;
using Premortem.Testing;
using Serilog.Events;
using Xunit;

namespace Premortem.Operator.Tests.Hosting;

public sealed class OptionsReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_a_word_there_are_the_defaults()
    {
        var reading = Read();
        Assert.Empty(reading.Errors);
        Assert.Null(reading.File);
        Assert.Equal(new OperatorOptions(), reading.Options);
    }

    [Fact]
    public void A_flag_wins_over_a_variable_and_that_over_the_file()
    {
        var reading = Read(
            """
            httpsPort: 1001
            httpPort: 1002
            logLevel: Debug
            """,
            new() { ["PREMORTEM_OPERATOR_HTTPS_PORT"] = "2001", ["PREMORTEM_OPERATOR_HTTP_PORT"] = "2002" },
            new() { ["https-port"] = "3001" });
        Assert.Empty(reading.Errors);
        Assert.Equal((3001, 2002, LogEventLevel.Debug), (reading.Options.HttpsPort, reading.Options.HttpPort, reading.Options.LogLevel));
    }

    [Fact]
    public void Lists_and_objects_of_the_file_are_read_as_such()
    {
        var reading = Read("""
            excludedNamespaces: [a, b]
            sidecarResources:
              requests: {cpu: 10m}
              limits:
                memory: 96Mi
            reportAddress:
            """);
        Assert.Empty(reading.Errors);
        Assert.Equal(["a", "b"], reading.Options.ExcludedNamespaces);
        Assert.Equal("""{"requests":{"cpu":"10m"},"limits":{"memory":"96Mi"}}""", reading.Options.SidecarResources!.ToJsonString());
        Assert.Null(reading.Options.ReportAddress);
    }

    [Fact]
    public void An_unknown_key_is_an_error_with_the_nearest_one_wherever_it_stands()
    {
        var reading = Read("htpsPort: 1\nnothingLikeItAtAllAnywhere: 2", new() { ["PREMORTEM_OPERATOR_LOGLEVEL"] = "Debug" });
        Assert.Collection(
            reading.Errors,
            error => Assert.Equal($"{reading.File}: htpsPort: there is no such option; did you mean httpsPort?", error),
            error => Assert.Equal($"{reading.File}: nothingLikeItAtAllAnywhere: there is no such option; 'premortem-operator run --help' lists them", error),
            error => Assert.Equal("PREMORTEM_OPERATOR_LOGLEVEL: there is no such option; did you mean PREMORTEM_OPERATOR_LOG_LEVEL?", error));
    }

    [Theory]
    [InlineData("https-port", "70000", "--https-port is '70000', but has to be a whole number from 0 to 65535")]
    [InlineData("bind-address", "localhost", "--bind-address is 'localhost', but has to be an IP address, like 10.96.0.7 or ::")]
    [InlineData("native-sidecars", "7", "--native-sidecars is '7', but has to be one of Auto, Always, Never")]
    [InlineData("resync", "soon", "--resync is 'soon', but has to be a duration of at least 1m, like 15s or 1m30s")]
    [InlineData("excluded-namespaces", "a,B", "--excluded-namespaces is 'a,B', but has to be a DNS label: lower-case letters, digits and '-', at most 63")]
    [InlineData("sidecar-image-pull-policy", "never", "--sidecar-image-pull-policy is 'never', but has to be one of Always, IfNotPresent, Never")]
    [InlineData("sidecar-resources", """{"limits": {"memory": "much"}}""", """--sidecar-resources is '{"limits": {"memory": "much"}}', but has to be ResourceRequirements as JSON, like {"requests": {"cpu": "10m"}, "limits": {"memory": "128Mi"}}; limits.memory is no quantity""")]
    public void A_bad_value_is_told_with_what_would_be_right(string name, string value, string error) =>
        Assert.Equal(error, Assert.Single(Read(flags: new() { [name] = value }).Errors));

    [Fact]
    public void A_lead_that_could_be_doubled_is_refused()
    {
        var reading = Read(flags: new() { ["lease-duration"] = "10s", ["lease-renew-deadline"] = "10s" });
        Assert.Equal("lease-renew-deadline is 10s, but has to be less than lease-duration, which is 10s: else two replicas could lead", Assert.Single(reading.Errors));
    }

    [Fact]
    public void What_the_kubelet_says_of_a_service_of_that_name_is_no_option() => Assert.Empty(Read(environment: new()
    {
        ["PREMORTEM_OPERATOR_SERVICE_HOST"] = "10.0.0.1",
        ["PREMORTEM_OPERATOR_SERVICE_PORT_HTTPS"] = "443",
        ["PREMORTEM_OPERATOR_PORT"] = "tcp://10.0.0.1:443",
        ["PREMORTEM_OPERATOR_PORT_443_TCP_ADDR"] = "10.0.0.1",
    }).Errors);

    [Fact]
    public void A_file_that_was_asked_for_has_to_be_there()
    {
        var missing = OptionsReader.Read(new Dictionary<string, string>(), new Dictionary<string, string> { [OptionsReader.FileVariable] = "/nowhere/config.yaml" }, null);
        Assert.Contains("/nowhere/config.yaml: cannot be read", Assert.Single(missing.Errors), StringComparison.Ordinal);
        Assert.Contains("line ", Assert.Single(Read("a: [").Errors), StringComparison.Ordinal);
        Assert.Contains("one mapping", Assert.Single(Read("- a").Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_shown_has_no_credentials()
    {
        Assert.Equal("https://***@example.org/x", OptionsReader.Redact("https://me:secret@example.org/x"));
        Assert.Equal(OptionKeys.All.Count, OptionsReader.Show(new OperatorOptions()).Count());
    }

    [Fact]
    public void Every_option_reads_back_what_it_shows()
    {
        foreach (var key in OptionKeys.All)
            if (key.Get(new OperatorOptions()) is { } value)
                Assert.Equal(value, key.Get(key.Set(new OperatorOptions(), value)));
    }

    [Fact]
    public void The_reference_has_every_option_with_its_default()
    {
        var text = File.ReadAllText(Repository.Path("docs", "reference", "operator.md"));
        foreach (var key in OptionKeys.All)
        {
            var value = key.Get(new OperatorOptions());
            var shown = value is null ? "" : $"`{(value.StartsWith("premortem-sidecar:", StringComparison.Ordinal) ? "premortem-sidecar:VERSION" : value)}`";
            Assert.Contains($"| `{key.Name}` | {shown} |".Replace("|  |", "| |", StringComparison.Ordinal), text, StringComparison.Ordinal);
        }
    }

    private OptionsReading Read(string? file = null, Dictionary<string, string>? environment = null, Dictionary<string, string>? flags = null)
    {
        string? path = null;
        if (file is not null)
            File.WriteAllText(path = _folder.File("config.yaml"), file);
        return OptionsReader.Read(flags ?? [], environment ?? [], path, "/nowhere");
    }
}
