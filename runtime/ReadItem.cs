using System.Text.Json;
using System.Text.Json.Serialization;

namespace Premortem.Runtime;

/// <summary>
/// One object of a list or a watch, or why it cannot be read: one object from a newer version of its type must not keep
/// all others from being seen.
/// </summary>
[JsonConverter(typeof(ReadItemConverterFactory))]
internal readonly record struct ReadItem<T>(T? Value, UnreadableObject? Unreadable)
    where T : class, IResource;

/// <summary>An object that does not fit its type here, such as one that a newer version of this program wrote.</summary>
public sealed record UnreadableObject(ResourceKey Key, string Problem);

internal sealed class ReadItemConverterFactory : JsonConverterFactory
{
    public override bool CanConvert(Type typeToConvert) => typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(ReadItem<>);

    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
        (JsonConverter)Activator.CreateInstance(typeof(Converter<>).MakeGenericType(typeToConvert.GetGenericArguments()))!;

    private sealed record NamedOnly(ObjectMeta? Metadata);

    private sealed class Converter<T> : JsonConverter<ReadItem<T>>
        where T : class, IResource
    {
        public override ReadItem<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            // The whole object stands in the buffer when a converter is called, so that it can be read again.
            var start = reader;
            try
            {
                return JsonSerializer.Deserialize<T>(ref reader, options) is { Metadata: not null } value
                    ? new ReadItem<T>(value, null)
                    : new ReadItem<T>(null, new UnreadableObject(default, "it has no metadata"));
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                var again = start;
                reader = start;
                reader.Skip();
                return new ReadItem<T>(null, new UnreadableObject(KeyOf(ref again, options), e.Message));
            }
        }

        public override void Write(Utf8JsonWriter writer, ReadItem<T> value, JsonSerializerOptions options) => throw new NotSupportedException();

        private static ResourceKey KeyOf(ref Utf8JsonReader reader, JsonSerializerOptions options)
        {
            try
            {
                return JsonSerializer.Deserialize<NamedOnly>(ref reader, options) is { Metadata: { } metadata } ? new ResourceKey(metadata.Namespace, metadata.Name) : default;
            }
            catch (JsonException)
            {
                return default;
            }
        }
    }
}
