using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Premortem.Operator.Policies;

/// <summary>What the operator remembers of a pod's settings, which are too large to be kept ten thousand times: three words.</summary>
internal static class SettingsPrint
{
    private const string None = "-";
    private const int MaxWord = 64;

    /// <summary>The revision, the bytes of the spool and, since anybody may write annotations, what the whole text comes to.</summary>
    public static string Of(string settings)
    {
        var utf8 = Encoding.UTF8.GetBytes(settings);
        var (revision, spool) = Read(utf8);
        return $"{revision ?? None} {spool?.ToString(CultureInfo.InvariantCulture) ?? None} {Convert.ToHexStringLower(SHA256.HashData(utf8).AsSpan(0, 8))}";
    }

    public static string? RevisionOf(string? print) => Word(print, 0);

    public static long? SpoolOf(string? print) => Word(print, 1) is { } text && long.TryParse(text, CultureInfo.InvariantCulture, out var bytes) ? bytes : null;

    private static string? Word(string? print, int index) => print?.Split(' ') is [_, _, _] words && words[index] != None ? words[index] : null;

    private static (string? Revision, long? SpoolBytes) Read(byte[] settings)
    {
        string? revision = null;
        long? spool = null;
        var reader = new Utf8JsonReader(settings);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
                    continue;
                var isRevision = reader.ValueTextEquals("revision"u8);
                var isSpool = reader.ValueTextEquals("spoolBytes"u8);
                reader.Read();
                if (isRevision && reader.TokenType == JsonTokenType.String && reader.GetString() is { Length: > 0 and <= MaxWord } text && !text.Any(char.IsWhiteSpace))
                    revision = text;
                else if (isSpool && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var bytes))
                    spool = bytes;
                else
                    reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // It is none of ours; the print tells it apart from ours.
        }
        return (revision, spool);
    }
}
