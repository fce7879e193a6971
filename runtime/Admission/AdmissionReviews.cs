using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Runtime.Admission;

/// <summary>Reads an <c>AdmissionReview</c> of <c>admission.k8s.io/v1</c> or <c>v1beta1</c>, and writes the answer in the same version.</summary>
public static class AdmissionReviews
{
    // The API server cuts longer ones, and drops what comes after these altogether.
    private const int LongestWarning = 256;
    private const int LongestWarnings = 4096;

    private static readonly JsonSerializerOptions Reading = new(ResourceJson.Options) { MaxDepth = 128 };

    /// <exception cref="MalformedReviewException">It is none.</exception>
    public static AdmissionRequest Read(ReadOnlySequence<byte> body)
    {
        Review? review;
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = Reading.MaxDepth });
            review = JsonSerializer.Deserialize<Review>(ref reader, Reading);
        }
        catch (JsonException e)
        {
            throw new MalformedReviewException($"the body is no AdmissionReview: {e.Message}");
        }
        if (review is not { Kind: "AdmissionReview", ApiVersion: "admission.k8s.io/v1" or "admission.k8s.io/v1beta1" })
            throw new MalformedReviewException(
                $"expected kind AdmissionReview of admission.k8s.io/v1 or v1beta1, got kind '{Shown(review?.Kind)}' of '{Shown(review?.ApiVersion)}'");
        if (review.Request is not { } request)
            throw new MalformedReviewException("request: is missing");
        if (string.IsNullOrEmpty(request.Uid))
            throw new MalformedReviewException("request.uid: is missing");
        if (string.IsNullOrEmpty(request.Operation))
            throw new MalformedReviewException("request.operation: is missing");
        return new AdmissionRequest
        {
            ApiVersion = review.ApiVersion,
            Uid = request.Uid,
            Operation = request.Operation,
            Kind = request.Kind?.Kind,
            Namespace = NullIfEmpty(request.Namespace),
            Name = NullIfEmpty(request.Name),
            SubResource = NullIfEmpty(request.SubResource),
            IsDryRun = request.DryRun ?? false,
            UserName = request.UserInfo?.Username,
            Object = request.Object,
            OldObject = request.OldObject,
        };
    }

    public static void Write(IBufferWriter<byte> to, AdmissionRequest request, AdmissionAnswer answer)
    {
        using var writer = new Utf8JsonWriter(to);
        writer.WriteStartObject();
        writer.WriteString("apiVersion"u8, request.ApiVersion);
        writer.WriteString("kind"u8, "AdmissionReview"u8);
        writer.WriteStartObject("response"u8);
        writer.WriteString("uid"u8, request.Uid);
        writer.WriteBoolean("allowed"u8, answer.IsAllowed);
        if (!answer.IsAllowed)
        {
            var code = answer.Code ?? 403;
            writer.WriteStartObject("status"u8);
            writer.WriteString("message"u8, answer.Message ?? "refused");
            writer.WriteString("reason"u8, code switch { 400 => "BadRequest", 409 => "Conflict", 422 => "Invalid", _ => "Forbidden" });
            writer.WriteNumber("code"u8, code);
            writer.WriteEndObject();
        }
        else if (answer.Patch is { Count: > 0 } patch)
        {
            writer.WriteString("patchType"u8, "JSONPatch"u8);
            writer.WriteBase64String("patch"u8, JsonSerializer.SerializeToUtf8Bytes(patch, ResourceJson.Options));
        }
        WriteWarnings(writer, answer.Warnings);
        if (answer.AuditAnnotations is { Count: > 0 } annotations)
        {
            writer.WriteStartObject("auditAnnotations"u8);
            foreach (var (name, value) in annotations)
                writer.WriteString(name, value);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteWarnings(Utf8JsonWriter writer, IReadOnlyList<string> warnings)
    {
        if (warnings.Count == 0)
            return;
        writer.WriteStartArray("warnings"u8);
        var left = LongestWarnings;
        foreach (var warning in warnings)
        {
            var header = AsHeader(warning);
            if ((left -= header.Length) < 0)
                break;
            writer.WriteStringValue(header);
        }
        writer.WriteEndArray();
    }

    // It travels in an HTTP header: one line, and counted in bytes.
    private static string AsHeader(string warning)
    {
        var line = new StringBuilder(Math.Min(warning.Length, LongestWarning));
        var bytes = 0;
        foreach (var rune in warning.EnumerateRunes())
        {
            var shown = Rune.IsControl(rune) ? new Rune(' ') : rune;
            if ((bytes += shown.Utf8SequenceLength) > LongestWarning)
            {
                while (Encoding.UTF8.GetByteCount(line.ToString()) > LongestWarning - 3)
                    line.Length--;
                return line.Append('…').ToString();
            }
            line.Append(shown);
        }
        return line.ToString();
    }

    private static string? NullIfEmpty(string? value) => string.IsNullOrEmpty(value) ? null : value;

    private static string? Shown(string? value) => value?.Length > 100 ? $"{value[..100]}…" : value;

    private sealed record Review(string? ApiVersion, string? Kind, ReviewRequest? Request);

    private sealed record ReviewRequest(
        string? Uid, ReviewKind? Kind, string? Name, string? Namespace, string? Operation, string? SubResource, bool? DryRun, ReviewUser? UserInfo, JsonObject? Object, JsonObject? OldObject);

    private sealed record ReviewKind(string? Kind);

    private sealed record ReviewUser(string? Username);
}
