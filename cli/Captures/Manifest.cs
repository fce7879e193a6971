using System.Text.Json;
using Premortem.Contracts;

namespace Premortem.Cli.Captures;

/// <summary>Reads what stands in a store as a manifest, which anybody may have written.</summary>
internal static class Manifest
{
    private const int MostArtifacts = 1024;

    /// <param name="where">For the error.</param>
    /// <exception cref="VerbException">It is none.</exception>
    internal static CaptureRecord Parse(byte[] content, string where)
    {
        CaptureRecord? record;
        try
        {
            record = JsonSerializer.Deserialize(content, ContractsJson.Default.CaptureRecord);
        }
        catch (JsonException e)
        {
            throw Refuse(Printable.Of(e.Message, 200), e);
        }
        if (record is null)
            throw Refuse("it is empty");
        if (record.Schema != CaptureRecord.SchemaVersion)
            throw Refuse($"its schema is '{Printable.Of(record.Schema, 60)}', and this program reads {CaptureRecord.SchemaVersion}: is there a newer premortem?");
        // What is not in the file at all is null here, whatever the record says it begins with.
        record = record with { Artifacts = record.Artifacts ?? [], Top = record.Top ?? [], AlsoFired = record.AlsoFired ?? [], Plan = record.Plan ?? [] };
        if (record.Artifacts.Count > MostArtifacts)
            throw Refuse($"it names {record.Artifacts.Count} files; no capture has more than {MostArtifacts}");
        // The annotations refuse null for a member, and not inside a list.
        if (record.Artifacts.Any(artifact => artifact is null) || record.Top.Any(entry => entry is null)
            || record.AlsoFired.Any(fired => fired is null) || record.Plan.Any(planned => planned is null))
            throw Refuse("a list in it has a null");
        return record;

        VerbException Refuse(string why, Exception? inner = null) => new($"{where}: this is no manifest of a capture: {why}", inner: inner);
    }
}
