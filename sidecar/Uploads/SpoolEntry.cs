using System.Text.Json.Serialization;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>What stands in <c>capture.json</c> of a spooled capture.</summary>
internal sealed record SpoolEntry
{
    public required CaptureRecord Record { get; init; }

    /// <summary>The keys that are safe in the store.</summary>
    public IReadOnlyList<string> Stored { get; init; } = [];

    /// <summary>The store that these are in; null: an earlier version did not say.</summary>
    public string? StoredIn { get; init; }

    /// <summary>Who asked for the capture; null: a trigger did.</summary>
    public RequestReference? Request { get; init; }

    /// <summary>How many reports were made of it.</summary>
    public int Reports { get; init; }

    /// <summary>Whether nothing more will be added: the manifest may be stored once everything else is.</summary>
    public bool IsFinal { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(DurationConverter)])]
[JsonSerializable(typeof(SpoolEntry))]
internal sealed partial class SpoolJson : JsonSerializerContext;
