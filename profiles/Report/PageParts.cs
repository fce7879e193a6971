using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Premortem.Profiles.Report;

/// <summary>What goes into every page as it is: how it looks, and the script that moves it.</summary>
internal static class PageParts
{
    /// <summary>Light and dark, on a phone, in print.</summary>
    internal static readonly string Css = Read("report.css");

    internal static readonly string Script = "\n" + Read("report.js");

    /// <summary>What the page's policy allows to run: this script, and no other.</summary>
    internal static readonly string ScriptHash = "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Script)));

    private static string Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} is not in the program");
        using var reader = new StreamReader(stream);
        // A browser hashes what it reads, which has no carriage returns.
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
