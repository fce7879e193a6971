using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>
/// Writes <see cref="SidecarSettings"/>: the same settings give the same bytes, in whatever order a policy's fields came, so that an annotation
/// is written only when something changes.
/// </summary>
public static class SettingsWriter
{
    // PEM is full of '+', and an annotation is no HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = false };

    /// <summary>The fields of a spec that speak to the operator alone.</summary>
    private static readonly string[] OperatorsOwn = ["selector", "namespaceSelector", "sidecar", "historyLimit"];

    /// <summary>The settings as JSON, on one line. What <see cref="SidecarSettings.Revision"/> they come with does not matter: it is computed.</summary>
    public static string Write(SidecarSettings settings) => Encoding.UTF8.GetString(Bytes(settings, RevisionOf(settings)));

    /// <summary>The first 16 hex digits of the SHA-256 of all the rest.</summary>
    public static string RevisionOf(SidecarSettings settings) => Convert.ToHexStringLower(SHA256.HashData(Bytes(settings, revision: null)).AsSpan(0, 8));

    /// <summary>A policy's spec, less what speaks to the operator alone. A copy.</summary>
    public static JsonObject SpecForSidecar(JsonObject spec)
    {
        var copy = spec.DeepClone().AsObject();
        foreach (var field in OperatorsOwn)
            copy.Remove(field);
        return copy;
    }

    private static ReadOnlySpan<byte> Bytes(SidecarSettings settings, string? revision)
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        using (var json = new Utf8JsonWriter(buffer, Options))
            Write(json, settings, revision);
        return buffer.WrittenSpan;
    }

    private static void Write(Utf8JsonWriter json, SidecarSettings settings, string? revision)
    {
        json.WriteStartObject();
        json.WriteString("schema", settings.Schema);
        WriteText(json, "revision", revision);
        json.WriteStartArray("policies");
        foreach (var policy in settings.Policies)
        {
            json.WriteStartObject();
            json.WriteString("kind", policy.Kind);
            json.WriteString("name", policy.Name);
            WriteText(json, "namespace", policy.Namespace);
            json.WriteNumber("generation", policy.Generation);
            json.WritePropertyName("spec");
            WriteSorted(json, policy.Spec);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("containers");
        foreach (var container in settings.Containers)
        {
            json.WriteStartObject();
            json.WriteString("name", container.Name);
            if (container.MemoryLimitBytes is { } limit)
                json.WriteNumber("memoryLimitBytes", limit);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (settings.EndsWithTargets)
            json.WriteBoolean("endsWithTargets", true);
        if (settings.SpoolBytes is { } spool)
            json.WriteNumber("spoolBytes", spool);
        WriteText(json, "restartPolicy", settings.RestartPolicy);
        if (settings.Report is { } report)
        {
            json.WriteStartObject("report");
            json.WriteString("url", report.Url);
            json.WriteString("caBundle", report.CaBundle);
            WriteText(json, "address", report.Address);
            json.WriteEndObject();
        }
        if (settings.Requests.Count > 0)
        {
            json.WriteStartArray("requests");
            foreach (var request in settings.Requests)
                WriteRequest(json, request);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void WriteRequest(Utf8JsonWriter json, RequestedCapture request)
    {
        json.WriteStartObject();
        json.WriteString("name", request.Name);
        json.WriteString("uid", request.Uid);
        WriteText(json, "container", request.Container);
        if (request.Captures.Count > 0)
        {
            json.WriteStartArray("captures");
            foreach (var capture in request.Captures)
            {
                json.WriteStartObject();
                json.WriteString("type", capture.Type.ToString());
                if (capture.Duration is { } duration)
                    json.WriteString("duration", Durations.Format(duration));
                if (capture.Type == CaptureType.Dump)
                    json.WriteString("dumpType", capture.DumpType.ToString());
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }

    /// <summary>Objects by name; the order of a list means something.</summary>
    private static void WriteSorted(Utf8JsonWriter json, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject fields:
                json.WriteStartObject();
                foreach (var (name, value) in fields.OrderBy(field => field.Key, StringComparer.Ordinal))
                {
                    json.WritePropertyName(name);
                    WriteSorted(json, value);
                }
                json.WriteEndObject();
                break;
            case JsonArray items:
                json.WriteStartArray();
                foreach (var item in items)
                    WriteSorted(json, item);
                json.WriteEndArray();
                break;
            case null:
                json.WriteNullValue();
                break;
            default:
                node.WriteTo(json);
                break;
        }
    }
}
