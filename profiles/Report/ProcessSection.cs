using System.Globalization;
using System.Text.Json;
using Premortem.Contracts;

namespace Premortem.Profiles.Report;

/// <summary>What the kernel told of the target's process, from <c>process.json</c>. Whatever has not the shape that it should have is left out.</summary>
internal static class ProcessSection
{
    private const int MaxRows = 400;
    private const int LongestValue = 400;
    private const int LongestCommandLine = 2000;

    internal static void Write(TextWriter writer, JsonElement process)
    {
        writer.Write("<section id=\"process\">\n<h2>The process</h2>\n<dl>\n");
        Fact("Command line", Joined(process, "commandLine") + (Flag(process, "commandLineIsCut") ? " … (cut)" : ""), LongestCommandLine);
        Fact("Working directory", Text(process, "workingDirectory"));
        Fact("Started", Text(process, "startedAt"));
        var status = Member(process, "status");
        Fact("Resident", Bytes(status, "vmRSSBytes", "vmHWMBytes", "at most"));
        Fact("Of that anonymous", Bytes(status, "rssAnonBytes"));
        Fact("Swapped", Bytes(status, "vmSwapBytes"));
        Fact("Address space", Bytes(status, "vmSizeBytes"));
        Fact("Threads", Number(status, "threads"));
        Fact("File descriptors", Descriptors(Member(process, "fileDescriptors")));
        Fact("OOM score", Number(process, "oomScore") is { Length: > 0 } score ? $"{score}, adjusted by {Number(process, "oomScoreAdj")}" : "");
        Fact("Not to be read", Joined(process, "denied"));
        writer.Write("</dl>\n");
        Table("Environment", "name", Member(process, "environment"), value => value.ValueKind == JsonValueKind.String ? value.GetString()! : "", Flag(process, "environmentIsCut"));
        Table("Limits", "limit", Member(process, "limits"), Limit);
        writer.Write($"<p class=\"note\">From {Html.FileLink("process.json")}; secrets were masked before it was written.</p>\n</section>\n");

        void Fact(string name, string value, int longest = LongestValue)
        {
            if (value.Length > 0)
                writer.Write($"<dt>{name}</dt><dd>{Html.Encode(value, longest)}</dd>\n");
        }

        void Table(string title, string key, JsonElement values, Func<JsonElement, string> show, bool isCut = false)
        {
            if (values.ValueKind != JsonValueKind.Object || !values.EnumerateObject().Any())
                return;
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"<details><summary>{title}: {values.EnumerateObject().Count()}{(isCut ? ", cut" : "")}</summary>\n"));
            writer.Write($"<div class=\"wide\"><table>\n<thead><tr><th>{key}</th><th>value</th></tr></thead>\n<tbody>\n");
            foreach (var value in values.EnumerateObject().Take(MaxRows))
                writer.Write($"<tr><td class=\"name\">{Html.Encode(value.Name, LongestValue)}</td><td class=\"name\">{Html.Encode(show(value.Value), LongestValue)}</td></tr>\n");
            writer.Write("</tbody>\n</table></div></details>\n");
        }
    }

    private static string Limit(JsonElement limit)
    {
        var (soft, hard) = (Number(limit, "soft"), Number(limit, "hard"));
        return $"{soft}{(hard == soft ? "" : $", at most {hard}")} {Text(limit, "unit")}".TrimEnd();
    }

    private static string Descriptors(JsonElement descriptors)
    {
        if (Number(descriptors, "total") is not { Length: > 0 } total)
            return "";
        var kinds = descriptors.EnumerateObject()
            .Where(kind => kind.Name != "total" && kind.Value.ValueKind == JsonValueKind.Number && kind.Value.GetRawText() != "0")
            .Take(MaxRows)
            .Select(kind => $"{kind.Value.GetRawText()} {kind.Name}");
        return string.Join(", ", kinds) is { Length: > 0 } words ? $"{total}: {words}" : total;
    }

    private static JsonElement Member(JsonElement of, string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) ? value : default;

    private static string Text(JsonElement of, string name) => Member(of, name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    private static bool Flag(JsonElement of, string name) => Member(of, name).ValueKind == JsonValueKind.True;

    /// <summary>As it stands in the file: a number, or a word such as <c>unlimited</c>.</summary>
    private static string Number(JsonElement of, string name) => Member(of, name) is { ValueKind: JsonValueKind.Number } number ? number.GetRawText() : Text(of, name);

    private static string Bytes(JsonElement of, string name, string? second = null, string words = "")
    {
        if (Size(of, name) is not { } size)
            return "";
        return second is not null && Size(of, second) is { } other ? $"{Quantity.ForPeople(size)}, {words} {Quantity.ForPeople(other)}" : Quantity.ForPeople(size);
    }

    private static long? Size(JsonElement of, string name) => Member(of, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var bytes) ? bytes : null;

    private static string Joined(JsonElement of, string name) =>
        Member(of, name) is { ValueKind: JsonValueKind.Array } items
            ? string.Join(' ', items.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Take(MaxRows).Select(item => item.GetString()))
            : "";
}
