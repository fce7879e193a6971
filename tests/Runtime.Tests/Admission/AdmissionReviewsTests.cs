using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using Premortem.Runtime.Admission;
using Xunit;

namespace Premortem.Runtime.Tests.Admission;

public sealed class AdmissionReviewsTests
{
    private static readonly AdmissionRequest Request = new() { ApiVersion = "admission.k8s.io/v1", Uid = "u1", Operation = "CREATE" };

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    public void A_review_is_read_and_what_nobody_knows_stays_in_the_object(string version)
    {
        var request = Read("""
            {"kind":"AdmissionReview","apiVersion":"admission.k8s.io/VERSION","future":1,"request":{"uid":"u1","kind":{"group":"","version":"v1","kind":"Pod"},
            "resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","operation":"CREATE","userInfo":{"username":"ada","groups":["a"]},"dryRun":true,
            "object":{"metadata":{"generateName":"a-"},"spec":{"fromTheFuture":[{"x":1.50}]}},"oldObject":null,"options":{}}}
            """.Replace("VERSION", version, StringComparison.Ordinal));
        Assert.Equal(
            ($"admission.k8s.io/{version}", "u1", "CREATE", "Pod", "shop", null, true, "ada"),
            (request.ApiVersion, request.Uid, request.Operation, request.Kind, request.Namespace, request.Name, request.IsDryRun, request.UserName));
        Assert.Equal("""{"metadata":{"generateName":"a-"},"spec":{"fromTheFuture":[{"x":1.50}]}}""", request.Object!.ToJsonString());
        Assert.Null(request.OldObject);
    }

    [Theory]
    [InlineData("", "AdmissionReview")]
    [InlineData("null", "AdmissionReview")]
    [InlineData("[1]", "AdmissionReview")]
    [InlineData("{", "AdmissionReview")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","request":{"uid":"u"}}""", "'admission.k8s.io/v2'")]
    [InlineData("""{"kind":"Pod","apiVersion":"v1"}""", "'Pod'")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}""", "request: is missing")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"operation":"CREATE"}}""", "request.uid")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}""", "request.operation")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","operation":"CREATE","object":"text"}}""", "object")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7,"operation":"CREATE"}}""", "uid")]
    public void What_is_no_review_is_refused_with_what_is_wrong(string body, string problem) =>
        Assert.Contains(problem, Assert.Throws<MalformedReviewException>(() => Read(body)).Message, StringComparison.Ordinal);

    [Fact]
    public void Objects_nested_without_end_are_refused() =>
        Assert.Throws<MalformedReviewException>(() => Read(
            """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","operation":"CREATE","object":{"a":DEEP}}}"""
                .Replace("DEEP", new string('[', 5000) + new string(']', 5000), StringComparison.Ordinal)));

    [Fact]
    public void An_allowing_answer_has_its_patch_in_base64() => Assert.Equal(
        """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u1","allowed":true,"patchType":"JSONPatch","patch":"PATCH","auditAnnotations":{"why":"so"}}}"""
            .Replace("PATCH", Convert.ToBase64String("""[{"op":"add","path":"/a","value":"<ö>"}]"""u8), StringComparison.Ordinal),
        Write(Request, new AdmissionAnswer
        {
            Patch = new JsonArray(new JsonObject { ["op"] = "add", ["path"] = "/a", ["value"] = "<ö>" }),
            AuditAnnotations = new Dictionary<string, string> { ["why"] = "so" },
        }));

    [Theory]
    [InlineData(422, "Invalid")]
    [InlineData(null, "Forbidden")]
    public void A_refusing_answer_says_why_and_in_the_version_of_the_request(int? code, string reason) => Assert.Equal(
        """{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"u1","allowed":false,"status":{"message":"spec.x: no","reason":"REASON","code":CODE}}}"""
            .Replace("REASON", reason, StringComparison.Ordinal).Replace("CODE", $"{code ?? 403}", StringComparison.Ordinal),
        Write(Request with { ApiVersion = "admission.k8s.io/v1beta1" }, new AdmissionAnswer { IsAllowed = false, Message = "spec.x: no", Code = code, Patch = new JsonArray(1) }));

    [Fact]
    public void An_empty_patch_is_none() => Assert.DoesNotContain("patch", Write(Request, new AdmissionAnswer { Patch = [] }), StringComparison.Ordinal);

    [Fact]
    public void Warnings_fit_into_headers()
    {
        var answer = JsonNode.Parse(Write(Request, new AdmissionAnswer { Warnings = ["two\nlines", new string('ö', 200), .. Enumerable.Repeat(new string('x', 256), 40)] }))!;
        var warnings = answer["response"]!["warnings"]!.AsArray().Select(warning => warning!.ToString()).ToList();
        Assert.Equal("two lines", warnings[0]);
        Assert.EndsWith("ö…", warnings[1], StringComparison.Ordinal);
        Assert.Equal(new string('x', 256), warnings[2]);
        Assert.All(warnings, warning => Assert.InRange(Encoding.UTF8.GetByteCount(warning), 1, 256));
        Assert.InRange(warnings.Sum(warning => warning.Length), 3800, 4096);
    }

    internal static AdmissionRequest Read(string body) => AdmissionReviews.Read(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)));

    private static string Write(AdmissionRequest request, AdmissionAnswer answer)
    {
        var body = new ArrayBufferWriter<byte>();
        AdmissionReviews.Write(body, request, answer);
        return JsonNode.Parse(body.WrittenSpan)!.ToJsonString(ResourceJson.Options);
    }
}
