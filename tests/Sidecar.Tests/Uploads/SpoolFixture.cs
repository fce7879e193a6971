using System.Security.Cryptography;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;

namespace Premortem.Sidecar.Tests.Uploads;

/// <summary>A spool in a folder of a test's own, and captures to put into it.</summary>
internal sealed class SpoolFixture : IDisposable
{
    internal static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder? _folder;

    internal SpoolFixture(string? directory = null)
    {
        _folder = directory is null ? new TemporaryFolder() : null;
        Directory = directory ?? _folder!.Path;
    }

    internal string Directory { get; }

    public void Dispose() => _folder?.Dispose();

    internal Spool Open(long capacity = 1 << 20) => Open(out _, capacity);

    internal Spool Open(out IReadOnlyList<string> unreadable, long capacity = 1 << 20) => Spool.Open(Directory, capacity, out unreadable);

    internal string PathOf(string id, string file = "") => Path.Combine(Directory, "captures", id, file);

    internal static CaptureRecord Record(string id, double minute = 0, params CaptureType[] plan) => new()
    {
        Id = id,
        Folder = $"ns/app/pod/app/{id}/",
        Policy = new PolicyReference("p", null),
        Trigger = new FiredTrigger("near-limit", "memoryUsage", "r", Start.AddMinutes(minute)),
        Target = new Contracts.TargetIdentity { Namespace = "ns", Workload = "app", Pod = "pod", Container = "app" },
        StartedAt = Start.AddMinutes(minute),
        Memory = new MemoryAtTrigger(1, 2, 3, 3, "proc"),
        Plan = [.. plan.Select(type => new PlannedCapture(type, PlanDecisions.Chosen, null))],
        Producer = "test",
    };

    internal static Artifact Capture(SpooledCapture capture, string key, string content)
    {
        using var file = capture.Begin(key);
        file.Write(Encoding.UTF8.GetBytes(content));
        var artifact = new Artifact { Type = ArtifactKeys.TypeOf(key), Key = key, Bytes = file.Length, Sha256 = file.Complete() };
        capture.Add(artifact);
        return artifact;
    }

    internal static string Sha256(string content) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)));
}
