using System.Security.Cryptography;
using System.Text.Json;
using Amazon.S3.Model;
using Premortem.Contracts;

namespace Premortem.Testing;

/// <summary>A capture as a sidecar would have stored it, made of given files.</summary>
/// <param name="Manifest">The bytes of its manifest.</param>
/// <param name="Files">Each file's name and content.</param>
public sealed record CaptureInStore(CaptureRecord Record, byte[] Manifest, IReadOnlyDictionary<string, byte[]> Files)
{
    /// <param name="id">Of the capture, and so of its folder.</param>
    public static CaptureInStore Of(string id, params (string Name, byte[] Content)[] files)
    {
        var at = new DateTimeOffset(2026, 3, 1, 12, 5, 9, TimeSpan.Zero);
        var record = new CaptureRecord
        {
            Id = id,
            Folder = ObjectPath.Folder("shop", "checkout", "checkout-7d9f", "app", at, "oom-ahead", id),
            Policy = new PolicyReference("checkout", "shop"),
            Trigger = new FiredTrigger("oom-ahead", "timeToLimit", "memory grows", at),
            Target = new TargetIdentity { Namespace = "shop", Workload = "checkout", Pod = "checkout-7d9f", Container = "app" },
            Phase = CapturePhase.Partial,
            Outcome = CaptureOutcome.OOMKilled,
            StartedAt = at,
            CompletedAt = at.AddSeconds(4),
            Memory = new MemoryAtTrigger(241L << 20, 242L << 20, 256L << 20, 256L << 20, "cgroup v2"),
            Artifacts =
            [
                .. files.Select(file => new Artifact
                {
                    Type = ArtifactKeys.TypeOf(file.Name),
                    Key = file.Name,
                    Bytes = file.Content.Length,
                    Sha256 = Convert.ToHexStringLower(SHA256.HashData(file.Content)),
                }),
                new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Error = "the target had died before this could be captured", Reason = Reasons.TargetExited },
            ],
            Top = [new TopEntry("main.MemoryIntensiveFunc", 150L << 20, 97.5)],
            Producer = "premortem-sidecar 0.1.0",
        };
        return new CaptureInStore(
            record,
            JsonSerializer.SerializeToUtf8Bytes(record, ContractsJson.Default.CaptureRecord),
            files.ToDictionary(file => file.Name, file => file.Content));
    }

    /// <summary>Puts it below a prefix, the manifest last.</summary>
    public async Task PutAsync(TestBucket bucket, string prefix)
    {
        foreach (var (name, content) in Files.Append(new(Names.Manifest, Manifest)))
            await bucket.Client.PutObjectAsync(new PutObjectRequest
            {
                BucketName = bucket.Name,
                Key = ObjectPath.Join(prefix, Record.Folder + name),
                InputStream = new MemoryStream(content),
                UseChunkEncoding = false,
            });
    }

    /// <summary>Writes it below a folder; returns its own.</summary>
    public string Write(string store)
    {
        var folder = Path.Combine(store, Record.Folder);
        Directory.CreateDirectory(folder);
        foreach (var (name, content) in Files.Append(new(Names.Manifest, Manifest)))
            File.WriteAllBytes(Path.Combine(folder, name), content);
        return folder;
    }
}
