using System.Text.Json.Serialization;

namespace Premortem.Profiles.Heaps;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(TypesDocument))]
internal sealed partial class TypesJson : JsonSerializerContext;
