using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Triggers;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Premortem.Sidecar.Hosting;

/// <summary>A policy in a file, YAML or JSON (which is YAML). Anchors are refused: a small file could mean a huge document.</summary>
internal static partial class PolicyFile
{
    private const int MaxBytes = 1 << 20;
    private const int MaxDepth = 32;

    public static PolicyReading Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var bounded = new StreamReader(file);
            var text = new char[MaxBytes + 1];
            var length = bounded.ReadBlock(text);
            return length > MaxBytes
                ? Unreadable($"is larger than {MaxBytes} bytes")
                : PolicyReader.Read(Parse(new string(text, 0, length)), Schedule.Check);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unreadable($"cannot be read: {e.Message}");
        }
        catch (YamlException e)
        {
            return Unreadable($"line {e.Start.Line}, column {e.Start.Column}: {e.Message}");
        }
    }

    internal static JsonNode? Parse(string yaml)
    {
        try
        {
            return ParseDocument(yaml);
        }
        // The scanner meets some text that is no YAML with an exception about its own state.
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException)
        {
            throw new YamlException(Mark.Empty, Mark.Empty, "this is no YAML", e);
        }
    }

    private static JsonNode? ParseDocument(string yaml)
    {
        var parser = new Parser(new StringReader(yaml));
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _))
            return null;
        parser.Consume<DocumentStart>();
        var node = ParseNode(parser, 0);
        parser.Consume<DocumentEnd>();
        if (!parser.Accept<StreamEnd>(out _))
            throw new YamlException(parser.Current!.Start, parser.Current.End, "a second document; one policy a file");
        return node;
    }

    private static JsonNode? ParseNode(Parser parser, int depth)
    {
        if (depth > MaxDepth)
            throw new YamlException(parser.Current!.Start, parser.Current.End, $"nested deeper than {MaxDepth} levels");
        if (parser.Current is NodeEvent { Anchor.IsEmpty: false })
            throw new YamlException(parser.Current.Start, parser.Current.End, "anchors and aliases are not read here");
        if (parser.Current is NodeEvent { Tag.IsEmpty: false })
            throw new YamlException(parser.Current.Start, parser.Current.End, "tags are not read here; quote what has to be a string");
        switch (parser.Current)
        {
            case Scalar scalar:
                parser.MoveNext();
                return ScalarValue(scalar);
            case SequenceStart:
                parser.MoveNext();
                var list = new JsonArray();
                while (!parser.TryConsume<SequenceEnd>(out _))
                    list.Add(ParseNode(parser, depth + 1));
                return list;
            case MappingStart:
                parser.MoveNext();
                var fields = new JsonObject();
                while (!parser.TryConsume<MappingEnd>(out _))
                {
                    var key = parser.Consume<Scalar>();
                    if (!fields.TryAdd(key.Value, ParseNode(parser, depth + 1)))
                        throw new YamlException(key.Start, key.End, $"the field '{key.Value}' stands here twice");
                }
                return fields;
            default:
                throw new YamlException(parser.Current!.Start, parser.Current.End, "anchors and aliases are not read here");
        }
    }

    /// <summary>A scalar by YAML's core schema, as Kubernetes reads it.</summary>
    private static JsonValue? ScalarValue(Scalar scalar)
    {
        var text = scalar.Value;
        if (scalar.Style != ScalarStyle.Plain)
            return JsonValue.Create(text);
        return text switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => JsonValue.Create(whole),
            // JSON knows no infinity: what is too large for a number stays the text that it was.
            _ when Float().IsMatch(text) && double.Parse(text, CultureInfo.InvariantCulture) is var number && double.IsFinite(number) => JsonValue.Create(number),
            _ => JsonValue.Create(text),
        };
    }

    private static PolicyReading Unreadable(string message) => new(null, [new FieldProblem("", message)], []);

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")]
    private static partial Regex Float();
}
