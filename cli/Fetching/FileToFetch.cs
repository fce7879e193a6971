namespace Premortem.Cli.Fetching;

/// <summary>One file of a capture, as its manifest promises it.</summary>
/// <param name="Name">Safe as a file's name in any folder.</param>
/// <param name="Sha256">Lower-case hex.</param>
internal sealed record FileToFetch(string Name, long Bytes, string Sha256);
