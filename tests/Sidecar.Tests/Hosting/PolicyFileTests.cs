using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Sidecar.Hosting;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Hosting;

public sealed class PolicyFileTests : IDisposable
{
    private const string Good = """
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: demo}
        spec:
          triggers:
            - {name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}
          storage:
            directory: {path: /var/lib/premortem}
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Good)]
    [InlineData("---\n" + Good + "\n...\n")]
    [InlineData("# a comment\n\n" + Good + "\n# another\n")]
    [InlineData("\uFEFF" + Good)]
    [InlineData("""{"apiVersion":"premortem.dev/v1alpha1","kind":"ProfilePolicy","metadata":{"name":"demo"},"spec":{"triggers":[{"name":"near-limit","memoryUsage":{"threshold":"85%"}}],"storage":{"directory":{"path":"/x"}}}}""")]
    public void A_good_document_is_read(string text) => Assert.Equal("demo", Read(text).Policy?.Name);

    [Fact]
    public void Schedules_are_checked_with_everything_else() => Assert.Equal(
        [
            "spec.triggers[1].schedule.cron: is '0 25 * * *', but has to be minute (0-59), hour (0-23), day-of-month (1-31), month (1-12) and day-of-week (0-7), like '0 3 * * *' for every night at three",
            "spec.triggers[2].schedule.timeZone: is 'Europe/Atlantis', which is no time zone here; it takes a name like Europe/Berlin or UTC",
        ],
        Read(Good.Replace(
            "  storage:",
            """
                - {name: nightly, schedule: {cron: "0 25 * * *"}}
                - {name: daily, schedule: {cron: "0 15 * * *", timeZone: Europe/Atlantis}}
              storage:
            """,
            StringComparison.Ordinal)).Errors.Select(error => error.ToString()));

    [Fact]
    public void The_sample_is_good()
    {
        var reading = PolicyFile.Read(Repository.Path("samples", "demo-policy.yaml"));
        Assert.Empty(reading.Errors);
        Assert.Empty(reading.Warnings);
    }

    [Theory]
    [InlineData("", "no ProfilePolicy document")]
    [InlineData("# nothing\n", "no ProfilePolicy document")]
    [InlineData("---\n", "no ProfilePolicy document")]
    [InlineData("null", "no ProfilePolicy document")]
    [InlineData("- a\n- b\n", "no ProfilePolicy document")]
    [InlineData(Good + "\n---\n" + Good, "line 9, column 1: a second document; one policy a file")]
    [InlineData("a: &x 1\nb: 2\n", "line 1, column 4: anchors and aliases are not read here")]
    [InlineData("a: &x [1]\nb: *x\n", "line 1, column 4: anchors and aliases are not read here")]
    [InlineData("a: *x\n", "anchors and aliases are not read here")]
    [InlineData("a: !!str 5\n", "line 1, column 4: tags are not read here; quote what has to be a string")]
    [InlineData("a: 1\na: 2\n", "line 2, column 1: the field 'a' stands here twice")]
    [InlineData("{a: 1, a: 2}", "the field 'a' stands here twice")]
    [InlineData("a:\n\t- b\n", "line 1, column")]
    [InlineData("a: [1, 2", "line 2, column 1")]
    [InlineData("a: \"b", "line 1, column")]
    [InlineData("? [a, b]\n: c\n", "line 1, column")]
    public void A_bad_document_is_told_where_and_why(string text, string message)
    {
        var reading = Read(text);
        Assert.Null(reading.Policy);
        Assert.Contains(message, Assert.Single(reading.Errors).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_or_a_folder_is_told()
    {
        Assert.StartsWith("cannot be read: ", Assert.Single(PolicyFile.Read(_folder.File("none")).Errors).Message, StringComparison.Ordinal);
        Assert.StartsWith("cannot be read: ", Assert.Single(PolicyFile.Read(_folder.Path).Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_than_a_mebibyte_is_refused()
    {
        Assert.Equal("is larger than 1048576 bytes", Assert.Single(Read(Good + "\n#" + new string('x', 1 << 20)).Errors).Message);
        Assert.NotNull(Read(Good + "\n#" + new string('x', 1_000_000)).Policy);
    }

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    [InlineData('-')]
    public void Deep_nesting_is_refused_and_no_overflow(char opening)
    {
        var text = opening == '-' ? string.Concat(Enumerable.Repeat("- ", 100_000)) : new string(opening, 100_000);
        Assert.NotEmpty(Read(text).Errors);
    }

    [Theory]
    [InlineData("threshold: 85%", "threshold: 1e999", "spec.triggers[0].memoryUsage.threshold: is '1e999', but")]
    [InlineData("threshold: 85%", "threshold: 99999999999999999999", "spec.triggers[0].memoryUsage.threshold: is '1E+20', but")]
    [InlineData("threshold: 85%", "threshold: yes", "spec.triggers[0].memoryUsage.threshold: is 'yes', but")]
    [InlineData("threshold: 85%", "threshold:", "spec.triggers[0].memoryUsage.threshold: is required")]
    [InlineData("threshold: 85%", "threshold: .inf", "spec.triggers[0].memoryUsage.threshold: is '.inf', but")]
    [InlineData("for: 2s", "for: 2", "spec.triggers[0].memoryUsage.for: is 2, but has to be a string")]
    [InlineData("for: 2s", "<<: {}", "spec.triggers[0].memoryUsage.<<: is no field here")]
    public void A_scalar_is_what_YAML_says(string was, string becomes, string error) =>
        Assert.StartsWith(error, Assert.Single(Read(Good.Replace(was, becomes, StringComparison.Ordinal)).Errors).ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("943718400")]
    [InlineData("9.437184e8")]
    [InlineData("\"900Mi\"")]
    [InlineData("'900Mi'")]
    public void A_quantity_may_be_a_number_or_quoted(string threshold) =>
        Assert.Empty(Read(Good.Replace("85%", threshold, StringComparison.Ordinal)).Errors);

    [Property(MaxTest = 300)]
    public Property No_bytes_break_it() => Prop.ForAll(Gen.Choose(0, 255).ArrayOf().ToArbitrary(), bytes => IsRead(bytes.Select(b => (byte)b).ToArray()));

    [Property(MaxTest = 500)]
    public Property No_YAML_breaks_it() => Prop.ForAll(
        Gen.Elements("a", ":", " ", "\n", "- ", "[", "]", "{", "}", "\"", "'", "&a", "*a", "!t", "|", ">", "#", "%YAML 1.2\n", "---\n", "...\n", "?", ",", "\t", "1e999", "~", "\0", "\u0085", "\\x", "@", "`").ArrayOf().ToArbitrary(),
        pieces => IsRead(System.Text.Encoding.UTF8.GetBytes(string.Concat(pieces))));

    [Property(MaxTest = 300)]
    public Property No_damage_to_a_good_document_breaks_it() => Prop.ForAll(
        (from at in Gen.Choose(0, Good.Length - 1) from b in Gen.Choose(0, 255) select (at, b)).ToArbitrary(),
        damage =>
        {
            var bytes = System.Text.Encoding.UTF8.GetBytes(Good);
            bytes[damage.at] = (byte)damage.b;
            return IsRead(bytes);
        });

    private bool IsRead(byte[] content)
    {
        var path = _folder.File("policy.yaml");
        File.WriteAllBytes(path, content);
        var reading = PolicyFile.Read(path);
        return (reading.Policy is null) == (reading.Errors.Count > 0);
    }

    private Premortem.Contracts.Policies.PolicyReading Read(string text)
    {
        var path = _folder.File("policy.yaml");
        File.WriteAllText(path, text);
        return PolicyFile.Read(path);
    }
}
