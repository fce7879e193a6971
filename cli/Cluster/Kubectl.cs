using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Premortem.Cli.Cluster;

/// <summary>
/// The user's own kubectl, asked for JSON: whatever way of logging in the user has works, and the program needs no client of its own
/// (docs/adr/0015).
/// </summary>
/// <param name="program">A path, or a name that is looked up in PATH.</param>
/// <param name="flags">What every call gets: the context and the kubeconfig.</param>
internal sealed class Kubectl(string program, IReadOnlyList<string> flags)
{
    internal const string Captures = "profilecaptures.premortem.dev";
    internal const string Policies = "profilepolicies.premortem.dev";
    internal const string ClusterPolicies = "clusterprofilepolicies.premortem.dev";

    private const int MostErrorChars = 16 << 10;
    private const long MostOutputBytes = 1L << 30;

    // Somebody has pressed a key and waits.
    private static readonly TimeSpan s_patienceForNames = TimeSpan.FromSeconds(3);

    /// <summary>A list, or one object.</summary>
    /// <param name="resource">With its group, so that no other's short name is meant.</param>
    /// <param name="arguments">Name, selectors and scope; null where one object was asked for and is not there.</param>
    internal async Task<JsonDocument?> GetAsync(string resource, IReadOnlyList<string> arguments, CancellationToken ct)
    {
        var run = await RunAsync(["get", resource, .. arguments, "-o", "json", "--ignore-not-found", "--request-timeout=60s"], ct);
        if (run.ExitCode != 0)
            throw await ExplainAsync(IsNamed(arguments) ? "get" : "list", resource, arguments, run.Error, ct);
        if (run.Output.Length == 0)
            return null;
        try
        {
            return JsonDocument.Parse(run.Output);
        }
        catch (JsonException e)
        {
            throw new VerbException($"'{program}' did not answer with JSON: is it kubectl?", inner: e);
        }
    }

    /// <summary>The same where it may not be readable, which is no error; null is also what one object is that is not there.</summary>
    internal async Task<JsonDocument?> TryGetAsync(string resource, IReadOnlyList<string> arguments, CancellationToken ct)
    {
        var run = await RunAsync(["get", resource, .. arguments, "-o", "json", "--ignore-not-found", "--request-timeout=60s"], ct);
        try
        {
            return run.ExitCode != 0 ? null
                : run.Output.Length > 0 ? JsonDocument.Parse(run.Output)
                // Kubectl says nothing of a list that is empty.
                : IsNamed(arguments) ? null : JsonDocument.Parse("""{"items": []}""");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The names of what there is, for a shell to complete; none where the cluster does not tell them, or not soon.</summary>
    internal IReadOnlyList<string> Names(string resource, string? ns)
    {
        using var patience = new CancellationTokenSource(s_patienceForNames, TimeProvider.System);
        try
        {
            var run = RunAsync(["get", resource, .. ns is null ? Array.Empty<string>() : ["-n", ns], "-o", "name", "--request-timeout=3s"], patience.Token).GetAwaiter().GetResult();
            return run.ExitCode != 0 ? [] : [.. Text(run.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[(line.IndexOf('/', StringComparison.Ordinal) + 1)..])];
        }
        catch (Exception e) when (e is OperationCanceledException or VerbException)
        {
            return [];
        }
    }

    /// <summary>Makes an object, and gives it as the server has it.</summary>
    internal async Task<JsonDocument> CreateAsync(string resource, byte[] content, IReadOnlyList<string> arguments, CancellationToken ct)
    {
        // In a file, since kubectl's standard input stays the user's.
        var file = Path.Combine(Path.GetTempPath(), $"premortem-{Guid.NewGuid():n}.json");
        try
        {
            await File.WriteAllBytesAsync(file, content, ct);
            var run = await RunAsync(["create", "-f", file, .. arguments, "-o", "json", "--request-timeout=60s"], ct);
            return run.ExitCode == 0 ? JsonDocument.Parse(run.Output) : throw await ExplainAsync("create", resource, arguments, run.Error, ct);
        }
        catch (JsonException e)
        {
            throw new VerbException($"'{program}' did not answer with JSON: is it kubectl?", inner: e);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The log of a container.</summary>
    /// <param name="arguments">Pod, container, namespace, and how much of it.</param>
    internal async Task<byte[]> LogsAsync(IReadOnlyList<string> arguments, CancellationToken ct)
    {
        var run = await RunAsync(["logs", .. arguments], ct);
        return run.ExitCode == 0 ? run.Output : throw new VerbException($"kubectl: {Printable.Of(run.Error.Trim().ReplaceLineEndings("; "), 2000)}");
    }

    /// <summary>What is there and what changes, as watch events, until the watch ends.</summary>
    internal async Task WatchAsync(string resource, IReadOnlyList<string> arguments, Action<JsonElement> seen, CancellationToken ct)
    {
        using var process = Start(["get", resource, .. arguments, "-o", "json", "--watch", "--output-watch-events"]);
        try
        {
            var errors = ReadErrorsAsync(process.StandardError, ct);
            var text = new StringBuilder();
            while (await process.StandardOutput.ReadLineAsync(ct) is { } line)
            {
                text.AppendLine(line);
                // A JSON string has no line break: a brace in the first column ends a document that is spread over lines.
                if (line == "}" || (line.StartsWith('{') && line.EndsWith('}')))
                {
                    using var document = JsonDocument.Parse(text.ToString());
                    seen(document.RootElement);
                    text.Clear();
                }
            }
            await process.WaitForExitAsync(ct);
            if (process.ExitCode != 0)
                throw await ExplainAsync("watch", resource, arguments, await errors, ct);
        }
        catch (JsonException e)
        {
            throw new VerbException($"'{program}' did not answer with JSON: is it kubectl, of 1.17 or later?", inner: e);
        }
        finally
        {
            End(process);
        }
    }

    // Kubectl says why it failed in words, for people. What a program can decide on, it is asked for.
    private async Task<VerbException> ExplainAsync(string verb, string resource, IReadOnlyList<string> arguments, string said, CancellationToken ct)
    {
        var group = resource[(resource.IndexOf('.', StringComparison.Ordinal) + 1)..];
        if (group.Contains('.', StringComparison.Ordinal))
        {
            var kinds = await RunAsync(["api-resources", $"--api-group={group}", "-o", "name", "--request-timeout=15s"], ct);
            if (kinds.ExitCode == 0 && !Text(kinds.Output).Split('\n').Contains(resource, StringComparer.Ordinal))
                return new VerbException($"this cluster does not know {resource}: Premortem is not installed in it, or this is another cluster (kubectl config current-context; --context)");
        }
        var scope = arguments.Where((argument, i) => argument is "-n" or "-A" || (i > 0 && arguments[i - 1] == "-n")).ToArray();
        var may = await RunAsync(["auth", "can-i", verb, resource, .. scope, "--request-timeout=15s"], ct);
        if (Text(may.Output).Trim() is var answer && (answer == "no" || answer.StartsWith("no ", StringComparison.Ordinal)))
        {
            var where = scope is ["-n", var ns] ? $" in the namespace {ns}" : scope is ["-A"] ? " in all namespaces (-n NAMESPACE asks for one)" : " in this namespace";
            return new VerbException($"you may not {verb} {resource}{where}: ask for a role with that verb on that resource");
        }
        return new VerbException($"kubectl: {Printable.Of(said.Trim().ReplaceLineEndings("; "), 2000)}");
    }

    private async Task<(int ExitCode, byte[] Output, string Error)> RunAsync(string[] arguments, CancellationToken ct)
    {
        using var process = Start(arguments);
        try
        {
            var errors = ReadErrorsAsync(process.StandardError, ct);
            using var output = new MemoryStream();
            var buffer = new byte[64 << 10];
            while (await process.StandardOutput.BaseStream.ReadAsync(buffer, ct) is var read and > 0)
            {
                if (output.Length + read > MostOutputBytes)
                    throw new VerbException($"kubectl answered with more than {MostOutputBytes >> 20} MiB: choose fewer with -n or -l");
                output.Write(buffer, 0, read);
            }
            await process.WaitForExitAsync(ct);
            return (process.ExitCode, output.ToArray(), await errors);
        }
        finally
        {
            End(process);
        }
    }

    private Process Start(string[] arguments)
    {
        var start = new ProcessStartInfo(program, [.. arguments, .. flags])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        try
        {
            // Its standard input stays the user's, for logging in.
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new VerbException(
                $"'{program}' cannot be run ({e.Message}): the cluster is asked through kubectl; install it, or name it with --kubectl or KUBECTL. A bucket or folder can be read without a cluster: premortem captures --store",
                inner: e);
        }
    }

    private static void End(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // It has ended meanwhile.
        }
    }

    private static async Task<string> ReadErrorsAsync(StreamReader errors, CancellationToken ct)
    {
        var kept = new StringBuilder();
        var buffer = new char[1024];
        while (await errors.ReadAsync(buffer, ct) is var read and > 0)
            kept.Append(buffer, 0, Math.Min(read, MostErrorChars - kept.Length));
        return kept.ToString();
    }

    private static bool IsNamed(IReadOnlyList<string> arguments) => arguments is [[not '-', ..], ..];

    private static string Text(byte[] output) => Encoding.UTF8.GetString(output);
}
