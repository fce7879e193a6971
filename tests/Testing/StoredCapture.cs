using System.Security.Cryptography;
using System.Text.Json;
using Premortem.Contracts;
using Xunit;

namespace Premortem.Testing;

/// <summary>A capture as it stands in a directory store, or as it was read back from a bucket.</summary>
/// <param name="Folder">The folder on disk.</param>
public sealed record StoredCapture(CaptureRecord Record, string Folder)
{
    /// <summary>Every capture below a folder whose manifest is there.</summary>
    public static IReadOnlyList<StoredCapture> In(string store) => !Directory.Exists(store)
        ? []
        : [.. Directory.EnumerateFiles(store, Names.Manifest, SearchOption.AllDirectories)
            .Select(manifest => new StoredCapture(Parse(File.ReadAllBytes(manifest)), Path.GetDirectoryName(manifest)!))
            .OrderBy(capture => capture.Record.StartedAt)];

    public static CaptureRecord Parse(byte[] manifest) => JsonSerializer.Deserialize(manifest, ContractsJson.Default.CaptureRecord)!;

    public Artifact Artifact(string type) => Assert.Single(Record.Artifacts, artifact => artifact.Type == type);

    public string PathOf(string key) => Path.Combine(Folder, key);

    /// <summary>Holds what is stored against the manifest: every file is there with the bytes that it promises, and no other file is.</summary>
    public StoredCapture AssertWhole()
    {
        // What came before a death or a deadline is kept, with the reason why there is no more.
        var kept = Record.Artifacts.Where(artifact => artifact.Sha256 is not null).ToList();
        foreach (var artifact in kept)
        {
            var content = File.ReadAllBytes(PathOf(artifact.Key));
            Assert.Equal(artifact.Bytes, content.Length);
            Assert.Equal(artifact.Sha256, Convert.ToHexStringLower(SHA256.HashData(content)));
        }
        Assert.Equal(
            kept.Select(artifact => artifact.Key).Append(Names.Manifest).Order(),
            Directory.EnumerateFileSystemEntries(Folder).Select(path => Path.GetFileName(path)).Order());
        Assert.All(Record.Artifacts.Where(artifact => !artifact.IsComplete), artifact => Assert.NotNull(artifact.Reason));
        Assert.NotNull(Record.CompletedAt);
        return this;
    }
}
