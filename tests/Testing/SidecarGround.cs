using Premortem.Contracts;

namespace Premortem.Testing;

/// <summary>What stays while sidecars come and go: a policy, a spool and a store, in a folder of the test's own.</summary>
public sealed class SidecarGround : IDisposable
{
    /// <summary>The captures that take no time.</summary>
    public const string Quick = "[{type: Heap}, {type: Goroutine}, {type: Process}]";

    private readonly TemporaryFolder _folder = new();
    private readonly string _policy;

    /// <param name="triggers">The fields of a policy, in YAML's flow style.</param>
    /// <param name="limits">Null: the defaults.</param>
    /// <param name="go">Null: the port is found.</param>
    /// <param name="storage">Null: the folder <see cref="Store"/>.</param>
    public SidecarGround(
        string triggers = "[{name: near-limit, memoryUsage: {threshold: 60%}}]",
        string captures = Quick,
        string? limits = null,
        string? go = null,
        string? storage = null,
        string? flightRecorder = null)
    {
        _policy = _folder.File("policy.yaml");
        Spool = _folder.File("spool");
        Store = _folder.File("store");
        WritePolicy(triggers, captures, limits, go, storage, flightRecorder);
    }

    public string Policy => _policy;

    public string Spool { get; set; }

    public string Store { get; }

    public IReadOnlyList<StoredCapture> Captures => StoredCapture.In(Store);

    /// <summary>How many captures wait in the spool.</summary>
    public int Waiting => Directory.Exists(Path.Combine(Spool, "captures")) ? Directory.GetDirectories(Path.Combine(Spool, "captures")).Length : 0;

    /// <summary>The flight recorder's files, oldest first.</summary>
    public IReadOnlyList<string> Baselines => [.. AllBaselines.Where(file => !file.EndsWith("goroutine.pb.gz", StringComparison.Ordinal))];

    /// <summary>The baseline of goroutines, where there is one.</summary>
    public IReadOnlyList<string> GoroutineBaselines => [.. AllBaselines.Except(Baselines)];

    private IEnumerable<string> AllBaselines => Directory.Exists(Path.Combine(Spool, "baselines"))
        ? [.. Directory.GetFiles(Path.Combine(Spool, "baselines"), "*.*", SearchOption.AllDirectories).Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])).OrderBy(Path.GetFileName, StringComparer.Ordinal)]
        : [];

    public string File(string name) => _folder.File(name);

    public void WritePolicy(string triggers, string captures = Quick, string? limits = null, string? go = null, string? storage = null, string? flightRecorder = null) =>
        System.IO.File.WriteAllText(_policy, $"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {"{name: test}"}
            spec:
              triggers: {triggers}
              captures: {captures}
              {(limits is null ? "" : $"limits: {limits}")}
              {(go is null ? "" : $"go: {go}")}
              {(flightRecorder is null ? "" : $"flightRecorder: {flightRecorder}")}
              storage: {storage ?? "{directory: {path: " + Store + "}}"}
            """);

    /// <summary>Waits for the only capture that fits to be stored, and holds it against its manifest.</summary>
    public async Task<StoredCapture> StoredAsync(Func<CaptureRecord, bool>? which = null, TimeSpan? timeout = null) =>
        (await Eventually.Holds(
            () => Captures.Where(capture => which?.Invoke(capture.Record) ?? true).ToArray(),
            captures => captures.Length == 1,
            $"one stored capture in {Store}",
            timeout ?? TimeSpan.FromSeconds(30)))[0].AssertWhole();

    public void Dispose() => _folder.Dispose();
}
