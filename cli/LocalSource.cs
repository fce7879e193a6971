namespace Premortem.Cli;

/// <summary>What people name as a file on this machine; <c>-</c> is standard input.</summary>
internal static class LocalSource
{
    // No buffer of its own: the reads are large.
    internal static Stream Open(string source) => source == "-"
        ? Console.OpenStandardInput()
        : new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    /// <summary>What it is called in an error.</summary>
    internal static string NameOf(string source) => source == "-" ? "standard input" : Printable.Of(source);
}
