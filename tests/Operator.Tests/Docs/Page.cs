using System.Text;
using System.Text.RegularExpressions;
using Premortem.Testing;

namespace Premortem.Operator.Tests.Docs;

/// <summary>A page that users read.</summary>
internal sealed partial record Page(string Path, string Text)
{
    public static IReadOnlyList<Page> All { get; } = [.. Files().Order(StringComparer.Ordinal).Select(file => new Page(file, File.ReadAllText(Repository.Path(file))))];

    /// <summary>Relative links and images, without those in code.</summary>
    public IEnumerable<string> Links() => Link().Matches(Code().Replace(Text, "")).Select(match => match.Groups[1].Value)
        .Where(target => !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal));

    /// <summary>What <c>#…</c> may name: the headings, as GitHub and GitLab make names of them.</summary>
    public IEnumerable<string> Anchors()
    {
        var times = new Dictionary<string, int>();
        foreach (Match heading in Heading().Matches(Fence().Replace(Text, "")))
        {
            var name = Anchor(heading.Groups[1].Value);
            var time = times[name] = times.GetValueOrDefault(name, -1) + 1;
            yield return time == 0 ? name : $"{name}-{time}";
        }
    }

    /// <summary>The YAML of its blocks.</summary>
    public IEnumerable<string> Yaml() => YamlBlock().Matches(Text).Select(match => match.Groups[1].Value);

    private static string Anchor(string heading)
    {
        var name = new StringBuilder();
        foreach (var letter in heading.Trim().ToLowerInvariant())
            if (char.IsLetterOrDigit(letter) || letter is '_' or '-')
                name.Append(letter);
            else if (letter == ' ')
                name.Append('-');
        return name.ToString();
    }

    private static IEnumerable<string> Files() => Directory.EnumerateFiles(Repository.Root, "*.md")
        .Concat(new[] { "docs", "charts", "samples", "tests" }.SelectMany(folder => Directory.EnumerateFiles(Repository.Path(folder), "*.md", SearchOption.AllDirectories)))
        .Select(file => System.IO.Path.GetRelativePath(Repository.Root, file))
        .Where(file => !file.Split('/').Any(part => part is "bin" or "obj" or "testdata"));

    [GeneratedRegex(@"\]\(<?([^()\s<>]+)>?(?:\s+""[^""]*"")?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]+`", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^#{1,6} (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^```ya?ml\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex YamlBlock();
}
