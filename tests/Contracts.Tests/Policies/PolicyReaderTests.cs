using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts.Policies;
using Xunit;

namespace Premortem.Contracts.Tests.Policies;

public sealed class PolicyReaderTests
{
    /// <summary>The document of docs and design, with every field.</summary>
    private const string Whole = """
        {
          "apiVersion": "premortem.dev/v1alpha1",
          "kind": "ProfilePolicy",
          "metadata": {"name": "checkout", "namespace": "shop", "labels": {"team": "pay"}},
          "spec": {
            "selector": {"matchLabels": {"app": "checkout"}},
            "containers": ["app"],
            "runtime": "Auto",
            "triggers": [
              {"name": "near-limit", "memoryUsage": {"threshold": "85%", "for": "2s"}},
              {"name": "oom-ahead", "timeToLimit": {"within": "20s"}},
              {"name": "leak", "risingFloor": {"window": "30m", "growth": "10%"}},
              {"name": "nightly", "schedule": {"cron": "0 3 * * *", "timeZone": "Europe/Berlin", "jitter": "5m"}}
            ],
            "captures": [{"type": "Heap"}, {"type": "Goroutine"}, {"type": "Cpu", "duration": "10s"}],
            "flightRecorder": {"every": "60s", "keep": 2},
            "limits": {"cooldown": "10m", "maxPerDay": 24, "spool": "512Mi"},
            "go": {"port": 6060, "path": "/debug/pprof"},
            "storage": {
              "s3": {
                "bucket": "profiles",
                "prefix": "prod",
                "region": "eu-west-1",
                "endpoint": "http://minio.storage:9000",
                "forcePathStyle": true,
                "credentialsSecret": "s3-credentials",
                "serverSideEncryption": {"type": "aws:kms", "kmsKeyId": "alias/profiles"}
              }
            },
            "sidecar": {"resources": {"limits": {"memory": "64Mi"}}, "mode": "Auto"}
          },
          "status": {"observedGeneration": 3}
        }
        """;

    private const string Least = """
        {
          "apiVersion": "premortem.dev/v1alpha1",
          "kind": "ProfilePolicy",
          "metadata": {"name": "least"},
          "spec": {
            "triggers": [{"name": "near", "memoryUsage": {"threshold": "900Mi"}}],
            "storage": {"directory": {"path": "/var/lib/premortem"}}
          }
        }
        """;

    private const string Triggers = "spec.triggers";
    private const string FirstTrigger = "spec.triggers[0]";
    private const string Threshold = "spec.triggers[0].memoryUsage.threshold";
    private const string S3 = "spec.storage.s3";

    [Fact]
    public void The_whole_document_is_read()
    {
        var reading = Read(Whole);
        Assert.Empty(reading.Errors);
        var policy = reading.Policy!;
        Assert.Equal(("checkout", "shop"), (policy.Name, policy.Namespace));
        Assert.Equal(["app"], policy.Spec.Containers);
        Assert.Equal(
            [
                new MemoryUsageTrigger("near-limit", new MemoryThreshold(0.85, null), TimeSpan.FromSeconds(2)),
                new TimeToLimitTrigger("oom-ahead", TimeSpan.FromSeconds(20)),
                new RisingFloorTrigger("leak", TimeSpan.FromMinutes(30), 0.1),
                new ScheduleTrigger("nightly", "0 3 * * *", "Europe/Berlin", TimeSpan.FromMinutes(5)),
            ],
            policy.Spec.Triggers);
        Assert.Equal(
            [new CaptureRequest(CaptureType.Heap), new CaptureRequest(CaptureType.Goroutine), new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(10))],
            policy.Spec.Captures);
        Assert.Equal(new CaptureLimits { Cooldown = TimeSpan.FromMinutes(10), MaxPerDay = 24, SpoolBytes = 512L << 20 }, policy.Spec.Limits);
        Assert.Equal(new FlightRecorderOptions(TimeSpan.FromSeconds(60), 2), policy.Spec.FlightRecorder);
        Assert.Equal(new GoOptions(6060, "/debug/pprof"), policy.Spec.Go);
        Assert.Equal(
            new S3Storage("profiles")
            {
                Prefix = "prod",
                Region = "eu-west-1",
                Endpoint = new Uri("http://minio.storage:9000"),
                ForcePathStyle = true,
                CredentialsSecret = "s3-credentials",
                ServerSideEncryption = new ServerSideEncryption("aws:kms", "alias/profiles"),
            },
            policy.Spec.Storage);
    }

    [Fact]
    public void All_of_it_is_watched() => Assert.Empty(Read(Whole).Warnings);

    [Fact]
    public void What_is_wrong_with_a_schedule_is_told_with_everything_else()
    {
        var document = JsonNode.Parse(Whole)!;
        document["spec"]!["limits"] = JsonNode.Parse("""{"cooldown": "soon"}""");
        var reading = PolicyReader.Read(document, schedule => new FieldProblem("timeZone", $"is {schedule.TimeZone}"));
        Assert.Equal(
            ["spec.limits.cooldown", "spec.triggers[3].schedule.timeZone"],
            reading.Errors.Select(error => error.Path).Order(StringComparer.Ordinal));
        Assert.Null(reading.Policy);
    }

    [Fact]
    public void What_is_left_out_has_its_default()
    {
        var reading = Read(Least);
        Assert.Empty(reading.Errors);
        Assert.Empty(reading.Warnings);
        var spec = reading.Policy!.Spec;
        Assert.Null(reading.Policy.Namespace);
        Assert.Equal(new MemoryUsageTrigger("near", new MemoryThreshold(null, 900L << 20), TimeSpan.Zero), Assert.Single(spec.Triggers));
        Assert.Equal(ProfilePolicySpec.DefaultCaptures, spec.Captures);
        Assert.Equal(new CaptureLimits(), spec.Limits);
        Assert.Equal(new GoOptions(null, "/debug/pprof"), spec.Go);
        Assert.Equal(RuntimeKind.Auto, spec.Runtime);
        Assert.Equal(new DirectoryStorage("/var/lib/premortem"), spec.Storage);
    }

    [Theory]
    [InlineData("apiVersion", null, "apiVersion", "is required")]
    [InlineData("apiVersion", "\"v1\"", "apiVersion", "is 'v1', but has to be 'premortem.dev/v1alpha1'")]
    [InlineData("kind", "\"Pod\"", "kind", "is 'Pod', but has to be 'ProfilePolicy' or 'ClusterProfilePolicy'")]
    [InlineData("kind", "7", "kind", "is 7, but has to be a string")]
    [InlineData("metadata", null, "metadata", "is required")]
    [InlineData("metadata", "\"checkout\"", "metadata", "is \"checkout\", but has to be an object")]
    [InlineData("metadata.name", null, "metadata.name", "is required")]
    [InlineData("metadata.name", "\"Check_out\"", "metadata.name", "is 'Check_out', but has to be a DNS name: lower-case letters, digits, '-' and '.', at most 253")]
    [InlineData("spec", null, "spec", "is required")]
    [InlineData("spec", "[]", "spec", "is a list, but has to be an object")]
    [InlineData("extra", "{}", "extra", "is no field here; there are apiVersion, kind, metadata, spec, status")]
    [InlineData("spec.trigger", "[]", "spec.trigger", "is no field here; did you mean 'triggers'?")]
    [InlineData("spec.Storage", "{}", "spec.Storage", "is no field here; did you mean 'storage'?")]
    [InlineData("spec.runtime", "\"Golang\"", "spec.runtime", "is 'Golang', but has to be one of Auto, Go, DotNet")]
    [InlineData("spec.runtime", "\"1\"", "spec.runtime", "is '1', but has to be one of Auto, Go, DotNet")]
    [InlineData("spec.runtime", "\"auto\"", "spec.runtime", "is 'auto', but has to be one of Auto, Go, DotNet")]
    [InlineData("spec.containers", "\"app\"", "spec.containers", "is \"app\", but has to be a list")]
    [InlineData("spec.containers", "[\"app\", 3]", "spec.containers[1]", "is 3, but has to be a string")]
    [InlineData("spec.containers", "[null]", "spec.containers[0]", "is empty, but has to be a string")]
    public void A_wrong_document_is_told_where_and_why(string at, string? value, string path, string message) => AssertWrong(at, value, path, message);

    [Theory]
    [InlineData(Triggers, null, Triggers, "is required: without a trigger nothing is ever captured")]
    [InlineData(Triggers, "null", Triggers, "is required: without a trigger nothing is ever captured")]
    [InlineData(Triggers, "[]", Triggers, "is empty: without a trigger nothing is ever captured")]
    [InlineData(Triggers, "{}", Triggers, "is an object, but has to be a list")]
    [InlineData(Triggers, "[7]", "spec.triggers[0]", "is 7, but has to be an object")]
    [InlineData("spec.triggers[0].name", null, "spec.triggers[0].name", "is required")]
    [InlineData("spec.triggers[0].name", "\"Near\"", "spec.triggers[0].name", "is 'Near', but has to be a DNS label: lower-case letters, digits and '-', at most 63")]
    [InlineData("spec.triggers[0].name", "\"a,b\"", "spec.triggers[0].name", "is 'a,b', but has to be a DNS label: lower-case letters, digits and '-', at most 63")]
    [InlineData("spec.triggers[0].name", "\"near\\n\"", "spec.triggers[0].name", "is 'near\n', but has to be a DNS label: lower-case letters, digits and '-', at most 63")]
    [InlineData("spec.triggers[0].name", "\"oom-ahead\"", "spec.triggers[1].name", "is 'oom-ahead', which another trigger of this policy has already")]
    [InlineData("spec.triggers[0].name", "\"requested\"", "spec.triggers[0].name", "is 'requested', which every policy has by itself; take another name")]
    [InlineData("spec.triggers[0].name", "\"oom-kill\"", "spec.triggers[0].name", "is 'oom-kill', which every policy has by itself; take another name")]
    [InlineData("spec.triggers[0].name", "\"exit\"", "spec.triggers[0].name", "is 'exit', which every policy has by itself; take another name")]
    [InlineData("spec.triggers[0].memoryUsage", null, FirstTrigger, "needs exactly one of memoryUsage, timeToLimit, risingFloor, schedule, and has none")]
    [InlineData("spec.triggers[0].timeToLimit", "{\"within\": \"20s\"}", FirstTrigger, "needs exactly one of memoryUsage, timeToLimit, risingFloor, schedule, and has memoryUsage and timeToLimit")]
    [InlineData("spec.triggers[0].memoryUsage", "\"85%\"", "spec.triggers[0].memoryUsage", "is \"85%\", but has to be an object")]
    [InlineData("spec.triggers[0].memoryUsage.treshold", "\"85%\"", "spec.triggers[0].memoryUsage.treshold", "is no field here; did you mean 'threshold'?")]
    [InlineData("spec.triggers[0].timeToLimt", "{}", "spec.triggers[0].timeToLimt", "is no field here; did you mean 'timeToLimit'?")]
    [InlineData("spec.triggers[0].memoryUsage.for", "\"2\"", "spec.triggers[0].memoryUsage.for", "is '2', but has to be a duration like 2s, 90s or 1m30s, from 0s to 24h")]
    [InlineData("spec.triggers[0].memoryUsage.for", "2", "spec.triggers[0].memoryUsage.for", "is 2, but has to be a string")]
    [InlineData("spec.triggers[0].memoryUsage.for", "\"-2s\"", "spec.triggers[0].memoryUsage.for", "is '-2s', but has to be a duration like 2s, 90s or 1m30s, from 0s to 24h")]
    [InlineData("spec.triggers[0].memoryUsage.for", "\"25h\"", "spec.triggers[0].memoryUsage.for", "is '25h', but has to be a duration like 2s, 90s or 1m30s, from 0s to 24h")]
    [InlineData("spec.triggers[1].timeToLimit.within", null, "spec.triggers[1].timeToLimit.within", "is required")]
    [InlineData("spec.triggers[1].timeToLimit.within", "\"99ms\"", "spec.triggers[1].timeToLimit.within", "is '99ms', but has to be a duration like 2s, 90s or 1m30s, from 100ms to 24h")]
    [InlineData("spec.triggers[2].risingFloor.growth", "\"0%\"", "spec.triggers[2].risingFloor.growth", "is '0%', but has to be above 0% and at most 10000%, like 85%")]
    [InlineData("spec.triggers[2].risingFloor.window", "\"59s\"", "spec.triggers[2].risingFloor.window", "is '59s', but has to be a duration like 2s, 90s or 1m30s, from 1m to 8784h")]
    [InlineData("spec.triggers[3].schedule.cron", "\"0 3 * *\"", "spec.triggers[3].schedule.cron", "is '0 3 * *', but has to have five fields: minute hour day-of-month month day-of-week")]
    [InlineData("spec.triggers[3].schedule.timeZone", "\"../../etc/passwd\"", "spec.triggers[3].schedule.timeZone", "is '../../etc/passwd', but has to be a name of the IANA time zone database like Europe/Berlin")]
    [InlineData("spec.triggers[3].schedule.jitter", "\"25h\"", "spec.triggers[3].schedule.jitter", "is '25h', but has to be a duration like 2s, 90s or 1m30s, from 0s to 24h")]
    public void A_wrong_trigger_is_told_where_and_why(string at, string? value, string path, string message) => AssertWrong(at, value, path, message);

    [Theory]
    [InlineData(null, "is required")]
    [InlineData("\"0%\"", "is '0%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"101%\"", "is '101%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"-5%\"", "is '-5%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"abc%\"", "is 'abc%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"%\"", "is '%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"NaN%\"", "is 'NaN%', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"85 %\"", "is '85 %', but has to be above 0% and at most 100%, like 85%")]
    [InlineData("\"85\"", "is '85', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("85", "is '85', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("0.85", "is '0.85', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("\"\"", "is '', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("\"900MB\"", "is '900MB', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("\"-900Mi\"", "is '-900Mi', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("\"16Ei\"", "is '16Ei', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("1e999", "is '1e999', but has to be a share of the limit like 85% or a quantity like 900Mi, at least 1Mi")]
    [InlineData("true", "is true, but has to be a string")]
    [InlineData("{}", "is an object, but has to be a string")]
    public void A_wrong_threshold_is_told_why(string? value, string message) => AssertWrong(Threshold, value, Threshold, message);

    [Theory]
    [InlineData("\"100%\"", 1.0, null)]
    [InlineData("\"0.5%\"", 0.005, null)]
    [InlineData("\"1Mi\"", null, 1L << 20)]
    [InlineData("\"1.5Gi\"", null, 3L << 29)]
    [InlineData("943718400", null, 943718400L)]
    public void A_threshold_is_a_share_or_a_quantity(string value, double? fraction, long? bytes) =>
        Assert.Equal(new MemoryThreshold(fraction, bytes), ((MemoryUsageTrigger)Read(With(Threshold, value)).Policy!.Spec.Triggers[0]).Threshold);

    [Theory]
    [InlineData("spec.captures", "[]", "spec.captures", "is empty; leave it out for the default: Heap, Goroutine, Process and Cpu")]
    [InlineData("spec.captures[0].type", null, "spec.captures[0].type", "is required")]
    [InlineData("spec.captures[0].type", "\"heap\"", "spec.captures[0].type", "is 'heap', but has to be one of Heap, Cpu, Allocs, Goroutine, ThreadCreate, Block, Mutex, Trace, Dump, GcTrace, Process")]
    [InlineData("spec.captures[0].type", "\"Cpu\"", "spec.captures[2].type", "is 'Cpu', which this policy captures already")]
    [InlineData("spec.captures[0].duration", "\"10s\"", "spec.captures[0].duration", "goes with Cpu, Trace and GcTrace; a Heap capture takes none")]
    [InlineData("spec.captures[2].duration", "\"500ms\"", "spec.captures[2].duration", "is '500ms', but has to be a duration like 2s, 90s or 1m30s, from 1s to 10m")]
    [InlineData("spec.captures[2].seconds", "10", "spec.captures[2].seconds", "is no field here; there are dumpType, duration, type")]
    [InlineData("spec.limits.cooldown", "\"ten minutes\"", "spec.limits.cooldown", "is 'ten minutes', but has to be a duration like 2s, 90s or 1m30s, from 0s to 8784h")]
    [InlineData("spec.limits.maxPerDay", "0", "spec.limits.maxPerDay", "is 0, but has to be a whole number from 1 to 10000")]
    [InlineData("spec.limits.maxPerDay", "1.5", "spec.limits.maxPerDay", "is 1.5, but has to be a whole number from 1 to 10000")]
    [InlineData("spec.limits.maxPerDay", "\"24\"", "spec.limits.maxPerDay", "is \"24\", but has to be a whole number from 1 to 10000")]
    [InlineData("spec.limits.spool", "\"512MB\"", "spec.limits.spool", "is '512MB', but has to be a quantity like 512Mi or 2Gi, at least 1Mi")]
    [InlineData("spec.limits.spool", "\"1Ki\"", "spec.limits.spool", "is '1Ki', but has to be a quantity like 512Mi or 2Gi, at least 1Mi")]
    [InlineData("spec.limits.perDay", "3", "spec.limits.perDay", "is no field here; there are cooldown, maxPerDay, spool")]
    [InlineData("spec.go.port", "0", "spec.go.port", "is 0, but has to be a whole number from 1 to 65535")]
    [InlineData("spec.go.port", "65536", "spec.go.port", "is 65536, but has to be a whole number from 1 to 65535")]
    [InlineData("spec.go.path", "\"debug/pprof\"", "spec.go.path", "is 'debug/pprof', but has to be a path that starts with '/', without spaces, '?' or '#'")]
    [InlineData("spec.go.path", "\"/a?b\"", "spec.go.path", "is '/a?b', but has to be a path that starts with '/', without spaces, '?' or '#'")]
    [InlineData("spec.go.path", "\"/a\\r\\nHost: x\"", "spec.go.path", "is '/a\r\nHost: x', but has to be a path that starts with '/', without spaces, '?' or '#'")]
    public void Wrong_captures_and_limits_are_told_where_and_why(string at, string? value, string path, string message) => AssertWrong(at, value, path, message);

    [Theory]
    [InlineData("spec.storage", null, "spec.storage", "is required")]
    [InlineData("spec.storage", "{}", "spec.storage", "needs exactly one of directory, s3, and has none")]
    [InlineData("spec.storage.directory", "{\"path\": \"/x\"}", "spec.storage", "needs exactly one of directory, s3, and has directory and s3")]
    [InlineData("spec.storage", "{\"directory\": {}}", "spec.storage.directory.path", "is required")]
    [InlineData("spec.storage", "{\"directory\": {\"path\": \"store\"}}", "spec.storage.directory.path", "is 'store', but has to be an absolute path without '..'")]
    [InlineData("spec.storage", "{\"directory\": {\"path\": \"/a/../b\"}}", "spec.storage.directory.path", "is '/a/../b', but has to be an absolute path without '..'")]
    [InlineData("spec.storage.s4", "{}", "spec.storage.s4", "is no field here; did you mean 's3'?")]
    [InlineData(S3 + ".bucket", null, S3 + ".bucket", "is required")]
    [InlineData(S3 + ".bucket", "\"My_Bucket\"", S3 + ".bucket", "is 'My_Bucket', but has to be a bucket's name: 3 to 63 lower-case letters, digits, '-' and '.', no two '.' in a row")]
    [InlineData(S3 + ".bucket", "\"ab\"", S3 + ".bucket", "is 'ab', but has to be a bucket's name: 3 to 63 lower-case letters, digits, '-' and '.', no two '.' in a row")]
    [InlineData(S3 + ".bucket", "\"a..b\"", S3 + ".bucket", "is 'a..b', but has to be a bucket's name: 3 to 63 lower-case letters, digits, '-' and '.', no two '.' in a row")]
    [InlineData(S3 + ".prefix", "\"a/../b\"", S3 + ".prefix", "is 'a/../b', but may not hold '.' or '..' as a part")]
    [InlineData(S3 + ".endpoint", "\"minio:9000\"", S3 + ".endpoint", "is 'minio:9000', but has to be a URL like http://minio.storage:9000, without path or user")]
    [InlineData(S3 + ".endpoint", "\"http://minio:9000/s3\"", S3 + ".endpoint", "is 'http://minio:9000/s3', but has to be a URL like http://minio.storage:9000, without path or user")]
    [InlineData(S3 + ".endpoint", "\"http://minio:9000/#a\"", S3 + ".endpoint", "is 'http://minio:9000/#a', but has to be a URL like http://minio.storage:9000, without path or user")]
    [InlineData(S3 + ".endpoint", "\"http://me:secret@minio:9000\"", S3 + ".endpoint", "is 'a URL with a user', but has to be a URL like http://minio.storage:9000, without path or user")]
    [InlineData(S3 + ".endpoint", "\"http://me:secret@minio:port\"", S3 + ".endpoint", "is 'a URL with a user', but has to be a URL like http://minio.storage:9000, without path or user")]
    [InlineData(S3 + ".forcePathStyle", "\"true\"", S3 + ".forcePathStyle", "is \"true\", but has to be true or false")]
    [InlineData(S3 + ".serverSideEncryption", "\"AES256\"", S3 + ".serverSideEncryption", "is \"AES256\", but has to be an object")]
    [InlineData(S3 + ".serverSideEncryption.type", null, S3 + ".serverSideEncryption.type", "is required")]
    [InlineData(S3 + ".serverSideEncryption.type", "\"kms\"", S3 + ".serverSideEncryption.type", "is 'kms', but has to be one of AES256, aws:kms, aws:kms:dsse")]
    [InlineData(S3 + ".serverSideEncryption.type", "\"AES256\"", S3 + ".serverSideEncryption.kmsKeyId", "goes with aws:kms and aws:kms:dsse, not with AES256")]
    [InlineData(S3 + ".serverSideEncryption.key", "\"x\"", S3 + ".serverSideEncryption.key", "is no field here; there are kmsKeyId, type")]
    [InlineData(S3 + ".accessKeyId", "\"x\"", S3 + ".accessKeyId", "is no field here; there are bucket, credentialsSecret, endpoint, forcePathStyle, prefix, region, serverSideEncryption")]
    public void Wrong_storage_is_told_where_and_why(string at, string? value, string path, string message) => AssertWrong(at, value, path, message);

    private const string Selector = "spec.selector";
    private const string Sidecar = "spec.sidecar";

    [Theory]
    [InlineData(Selector, "7", Selector, "is 7, but has to be an object")]
    [InlineData(Selector + ".labels", "{}", Selector + ".labels", "is no field here; there are matchExpressions, matchLabels")]
    [InlineData(Selector + ".matchLabels", "{\"a b\": \"c\"}", Selector + ".matchLabels[a b]", "is no label, but has to be a label's key: at most 63 letters, digits, '-', '_' and '.', with a DNS name and '/' before it where it has a prefix")]
    [InlineData(Selector + ".matchLabels", "{\"/a\": \"c\"}", Selector + ".matchLabels[/a]", "is no label, but has to be a label's key: at most 63 letters, digits, '-', '_' and '.', with a DNS name and '/' before it where it has a prefix")]
    [InlineData(Selector + ".matchLabels", "{\"app\": true}", Selector + ".matchLabels[app]", "has to be a string: put numbers and true in quotes")]
    [InlineData(Selector + ".matchLabels", "{\"app\": null}", Selector + ".matchLabels[app]", "has to be a string: put numbers and true in quotes")]
    [InlineData(Selector + ".matchLabels", "{\"app\": \"-c\"}", Selector + ".matchLabels[app]", "is '-c', but has to be a label's value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit")]
    [InlineData(Selector + ".matchExpressions", "[{\"operator\": \"Exists\"}]", Selector + ".matchExpressions[0].key", "is required")]
    [InlineData(Selector + ".matchExpressions", "[{\"key\": \"a\"}]", Selector + ".matchExpressions[0].operator", "is required")]
    [InlineData(Selector + ".matchExpressions", "[{\"key\": \"a\", \"operator\": \"Gt\"}]", Selector + ".matchExpressions[0].operator", "is 'Gt', but has to be one of In, NotIn, Exists, DoesNotExist")]
    [InlineData(Selector + ".matchExpressions", "[{\"key\": \"a\", \"operator\": \"In\"}]", Selector + ".matchExpressions[0].values", "is empty, but In needs at least one")]
    [InlineData(Selector + ".matchExpressions", "[{\"key\": \"a\", \"operator\": \"Exists\", \"values\": [\"b\"]}]", Selector + ".matchExpressions[0].values", "goes with In and NotIn, not with Exists")]
    [InlineData(Selector + ".matchExpressions", "[{\"key\": \"a\", \"operator\": \"In\", \"values\": [\"b c\"]}]", Selector + ".matchExpressions[0].values[0]", "is 'b c', but has to be a label's value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit")]
    [InlineData("spec.namespaceSelector", "{}", "spec.namespaceSelector", "is no field here; there are captures, containers, flightRecorder, go, historyLimit, limits, runtime, selector, sidecar, storage, triggers")]
    [InlineData(Sidecar + ".mode", "\"Init\"", Sidecar + ".mode", "is 'Init', but has to be one of Auto, Native, Classic")]
    [InlineData(Sidecar + ".shareProcessNamespace", "1", Sidecar + ".shareProcessNamespace", "is 1, but has to be true or false")]
    [InlineData(Sidecar + ".resources.limits.memory", "\"64MB\"", Sidecar + ".resources.limits.memory", "is '64MB', but has to be a quantity like 64Mi")]
    [InlineData(Sidecar + ".resources.limits.memory", "\"64m\"", Sidecar + ".resources.limits.memory", "is '64m', but the sidecar does not live on less than 16Mi")]
    [InlineData(Sidecar + ".resources.limits.cpu", "\"-1\"", Sidecar + ".resources.limits.cpu", "is '-1', but has to be a quantity like 50m")]
    [InlineData(Sidecar + ".resources.limits.gpu", "1", Sidecar + ".resources.limits.gpu", "is no field here; did you mean 'cpu'?")]
    [InlineData(Sidecar + ".resources.requests", "{\"memory\": \"65Mi\"}", Sidecar + ".resources.requests.memory", "is '65Mi', but may not be above the limit of '64Mi'")]
    [InlineData(Sidecar + ".resources.claims", "[]", Sidecar + ".resources.claims", "is no field here; there are limits, requests")]
    [InlineData("spec.historyLimit", "1001", "spec.historyLimit", "is 1001, but has to be a whole number from 0 to 1000")]
    [InlineData("spec.containers", "[\"app\", \"app\"]", "spec.containers[1]", "is 'app', which stands here already")]
    [InlineData("spec.containers", "[\"App\"]", "spec.containers[0]", "is 'App', but has to be a container's name: lower-case letters, digits and '-', at most 63")]
    [InlineData(S3 + ".credentialsSecret", "\"../x\"", S3 + ".credentialsSecret", "is '../x', but has to be the name of a Secret in the pod's namespace")]
    public void What_speaks_to_the_operator_is_told_where_and_why(string at, string? value, string path, string message) => AssertWrong(at, value, path, message);

    [Fact]
    public void Beside_one_program_a_policy_needs_no_selector_and_in_a_cluster_it_does()
    {
        var document = JsonNode.Parse(With(Selector, null));
        Assert.NotNull(PolicyReader.Read(document).Policy);
        var reading = PolicyReader.Read(document, new PolicyReadOptions { RequireSelector = true });
        Assert.Equal("spec.selector: is required: say which pods by their labels; {} means all", Assert.Single(reading.Errors).ToString());
        Assert.NotNull(PolicyReader.Read(JsonNode.Parse(With(Selector, "{}")), new PolicyReadOptions { RequireSelector = true }).Policy);
    }

    [Fact]
    public void A_cluster_policy_stands_in_no_namespace_and_selects_them()
    {
        var document = JsonNode.Parse(With("spec.namespaceSelector", "{\"matchExpressions\": [{\"key\": \"team\", \"operator\": \"Exists\"}]}", With("kind", "\"ClusterProfilePolicy\"")))!;
        Assert.Equal("metadata.namespace: is 'shop', but a ClusterProfilePolicy stands in no namespace", Assert.Single(PolicyReader.Read(document).Errors).ToString());
        document["metadata"]!.AsObject().Remove("namespace");
        var policy = PolicyReader.Read(document).Policy!;
        Assert.Equal((ProfilePolicy.ClusterKind, "checkout", null), (policy.AsRead().Kind, policy.Name, policy.Namespace));
    }

    [Fact]
    public void How_the_sidecar_looks_and_how_long_history_is_are_read()
    {
        var spec = Read(With(Sidecar, "{\"mode\": \"Classic\", \"shareProcessNamespace\": false, \"resources\": {\"requests\": {\"cpu\": \"10m\"}, \"limits\": {\"cpu\": 1}}}", With("spec.historyLimit", "0"))).Policy!.Spec;
        Assert.Equal((SidecarMode.Classic, false, 0), (spec.Sidecar.Mode, spec.Sidecar.ShareProcessNamespace, spec.HistoryLimit));
        Assert.Equal("{\"requests\":{\"cpu\":\"10m\"},\"limits\":{\"cpu\":1}}", spec.Sidecar.Resources!.ToJsonString());
        var least = Read(Least).Policy!.Spec;
        Assert.Equal((new SidecarOptions(), 50), (least.Sidecar, least.HistoryLimit));
    }

    [Fact]
    public void Of_a_newer_policy_what_is_known_is_taken_and_the_rest_is_told()
    {
        var spec = JsonNode.Parse("""
            {
              "triggers": [{"name": "near", "memoryUsage": {"threshold": "85%", "unless": "quiet"}}, {"name": "psi", "pressure": {"some": "10%"}}],
              "captures": [{"type": "Heap"}, {"type": "OffCpu", "kernel": true}],
              "storage": {"directory": {"path": "/x"}},
              "redact": true
            }
            """)!.AsObject();
        var reading = PolicyReader.ReadSpec(spec, "policies[0].spec", isClusterWide: false, new PolicyReadOptions { TolerateUnknown = true });
        Assert.Empty(reading.Errors);
        Assert.Equal(
            ["policies[0].spec.captures[1].type", "policies[0].spec.redact", "policies[0].spec.triggers[0].memoryUsage.unless", "policies[0].spec.triggers[1]"],
            reading.Warnings.Select(warning => warning.Path).Order(StringComparer.Ordinal));
        Assert.Equal("near", Assert.Single(reading.Spec!.Triggers).Name);
        Assert.Equal(CaptureType.Heap, Assert.Single(reading.Spec.Captures).Type);
        Assert.Equal(6, PolicyReader.ReadSpec(spec, "spec", isClusterWide: false, new PolicyReadOptions()).Errors.Count);
    }

    [Theory]
    [InlineData("spec.containers", 33, "\"c{0}\"")]
    [InlineData("spec.triggers", 33, "{{\"name\": \"t{0}\", \"timeToLimit\": {{\"within\": \"1s\"}}}}")]
    [InlineData("spec.captures", 17, "{{\"type\": \"Heap\"}}")]
    public void A_list_has_an_end(string at, int count, string entry)
    {
        var list = $"[{string.Join(",", Enumerable.Range(0, count).Select(i => string.Format(System.Globalization.CultureInfo.InvariantCulture, entry, i)))}]";
        Assert.Equal($"{at}: has {count} entries, but may have {count - 1} at most", Assert.Single(Read(With(at, list)).Errors).ToString());
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("7")]
    public void What_is_no_object_is_no_policy(string json) =>
        Assert.Equal("no ProfilePolicy document: the file is empty or no object", Assert.Single(Read(json).Errors).ToString());

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once()
    {
        var errors = Read(With("spec.limits.maxPerDay", "0", With(Threshold, "\"0%\"", With("metadata.name", "\"A\"")))).Errors;
        Assert.Equal(["metadata.name", Threshold, "spec.limits.maxPerDay"], errors.Select(error => error.Path));
    }

    [Fact]
    public void Without_region_and_endpoint_the_environment_has_to_know()
    {
        var reading = Read(With(S3 + ".region", null, With(S3 + ".endpoint", null)));
        Assert.Contains(reading.Warnings, warning => warning.Path == "spec.storage.s3.region");
        Assert.NotNull(reading.Policy);
    }

    [Fact]
    public void Slashes_at_the_ends_of_a_prefix_and_a_path_mean_nothing()
    {
        var spec = Read(With(S3 + ".prefix", "\"/prod/eu/\"", With("spec.go.path", "\"/debug/pprof/\""))).Policy!.Spec;
        Assert.Equal("prod/eu", ((S3Storage)spec.Storage).Prefix);
        Assert.Equal("/debug/pprof", spec.Go.Path);
    }

    [Fact]
    public void A_long_field_name_is_no_cost() =>
        Assert.StartsWith("is no field here; there are", Assert.Single(Read(With("spec." + new string('t', 100_000), "1")).Errors).Message, StringComparison.Ordinal);

    /// <summary>Whatever is put wherever, there is a policy or an error, and never an exception.</summary>
    [Property(MaxTest = 500)]
    public Property No_document_breaks_it() => Prop.ForAll(
        (from at in Gen.Elements(Paths(JsonNode.Parse(Whole)!).ToArray())
         from value in Gen.Elements("null", "true", "-1", "0.5", "1e400", "\"\"", "\"\\u0000\"", "\"%\"", "[]", "{}", "[[]]", "[null]", "{\"a\":null}", "\"1e999%\"", "\"" + new string('9', 400) + "\"")
         select (at, value)).ToArbitrary(),
        change =>
        {
            var reading = Read(With(change.at, change.value));
            return (reading.Policy is null) == (reading.Errors.Count > 0);
        });

    private static IEnumerable<string> Paths(JsonNode node, string path = "")
    {
        if (path.Length > 0)
            yield return path;
        var children = node switch
        {
            JsonObject fields => fields.Select(field => (Path: path.Length == 0 ? field.Key : $"{path}.{field.Key}", field.Value)),
            JsonArray items => items.Select((item, i) => (Path: $"{path}[{i}]", Value: item)),
            _ => [],
        };
        foreach (var child in children)
            foreach (var inner in Paths(child.Value!, child.Path))
                yield return inner;
    }

    private static void AssertWrong(string at, string? value, string path, string message)
    {
        var reading = Read(With(at, value));
        Assert.Null(reading.Policy);
        Assert.Contains(new FieldProblem(path, message), reading.Errors);
        Assert.Single(reading.Errors);
    }

    private static PolicyReading Read(string json) => PolicyReader.Read(JsonNode.Parse(json));

    /// <summary>The document with another value at a path; none for null.</summary>
    private static string With(string path, string? value, string document = Whole)
    {
        var root = JsonNode.Parse(document)!;
        var steps = path.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        var at = root;
        foreach (var step in steps[..^1])
            at = step[0] == '[' ? at[int.Parse(step[1..^1])]! : at[step]!;
        var last = steps[^1];
        if (last[0] == '[')
            at[int.Parse(last[1..^1])] = value is null ? null : JsonNode.Parse(value);
        else if (value is null)
            at.AsObject().Remove(last);
        else
            at[last] = JsonNode.Parse(value);
        return root.ToJsonString();
    }
}
