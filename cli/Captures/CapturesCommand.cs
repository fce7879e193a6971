using System.CommandLine;
using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Cli.Stores;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Captures;

/// <summary><c>premortem captures</c>: what was captured, from the cluster's ProfileCaptures or a store's manifests.</summary>
internal static class CapturesCommand
{
    private static readonly string[] s_formats = ["table", "wide", "json", "yaml", "name"];

    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var stores = new StoreOptions();
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "Of all namespaces." };
        var selector = new Option<string?>("--selector", "-l") { Description = "Captures with these labels alone.", HelpName = "labels" };
        var since = new Option<string?>("--since") { Description = "Nothing older: 90m, 24h, 7d.", HelpName = "age" };
        var pod = new Option<string?>("--pod") { Description = "Of this pod alone.", HelpName = "name" };
        var format = new Option<string>("--output", "-o") { Description = $"How to print them: {string.Join(", ", s_formats)}.", HelpName = "format", DefaultValueFactory = _ => "table" };
        var watch = new Option<bool>("--watch", "-w") { Description = "Go on, and print what comes and changes." };
        var store = new Option<string?>("--store")
        {
            Description = "Read a bucket or folder instead of asking the cluster: s3://bucket/prefix, or a path.",
            HelpName = "place",
        };
        format.AcceptOnlyFromAmong(s_formats);
        since.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } age && !TryParseAge(age, out _))
                result.AddError("--since is a length of time like 90m, 24h or 7d");
        });
        var command = new Command("captures", "List what was captured.") { all, selector, since, pod, format, watch, store };
        cluster.AddTo(command, world);
        stores.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(store) is not null && (result.GetValue(watch) || result.GetValue(selector) is not null))
                result.AddError("--watch and -l ask the cluster; a store has neither changes nor labels to tell");
            if (result.GetValue(all) && result.GetResult("--namespace") is { } named && !((System.CommandLine.Parsing.OptionResult)named).Implicit)
                result.AddError("-A and -n are two answers to one question: give one of them");
        });
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var oldest = parsed.GetValue(since) is { } age && TryParseAge(age, out var length) ? world.Time.GetUtcNow() - length : (DateTimeOffset?)null;
            var ns = cluster.Namespace(parsed);
            bool IsWanted(ListedCapture capture) =>
                (oldest is null || capture.StartedAt is null || capture.StartedAt >= oldest) && (parsed.GetValue(pod) is not { } name || capture.Pod == name);
            var printer = new Printer(output, parsed.GetValue(format)!, parsed.GetValue(all) || (parsed.GetValue(store) is not null && ns is null), world.Time);
            if (parsed.GetValue(store) is { } place)
            {
                var storage = StoreAddress.Parse(place);
                using var opened = CaptureStores.Open(storage is S3Storage s3 ? stores.Complete(s3, parsed, world) : storage);
                printer.Write(await FromStoreAsync(opened, ns, oldest, IsWanted, world, ct), world.Errors);
                return;
            }
            var kubectl = cluster.Kubectl(parsed, world);
            List<string> scope = [.. parsed.GetValue(all) ? ["-A"] : ns is not null ? ["-n", ns] : Array.Empty<string>()];
            if (parsed.GetValue(selector) is { } labels)
                scope.Add($"--selector={labels}");
            if (parsed.GetValue(watch))
            {
                await kubectl.WatchAsync(Kubectl.Captures, scope, seen => printer.WriteEvent(seen, IsWanted), ct);
                return;
            }
            using var list = await kubectl.GetAsync(Kubectl.Captures, scope, ct);
            var items = list is not null && list.RootElement.TryGetProperty("items", out var found) ? found.EnumerateArray().Select(ListedCapture.Of) : [];
            printer.Write([.. items.Where(IsWanted)], world.Errors);
        }));
        return command;
    }

    private static async Task<List<ListedCapture>> FromStoreAsync(
        ICaptureStore store, string? ns, DateTimeOffset? oldest, Func<ListedCapture, bool> isWanted, World world, CancellationToken ct)
    {
        try
        {
            var captures = await StoredCaptures.FindAsync(store, ns, oldest, problem => world.Errors.WriteLine($"premortem: passed over: {problem}"), world.Time, ct);
            return [.. captures.Where(isWanted)];
        }
        catch (ReadException e)
        {
            throw new VerbException(e.Message, inner: e);
        }
    }

    /// <summary>Kubernetes' durations, and days.</summary>
    private static bool TryParseAge(string text, out TimeSpan age) =>
        text.EndsWith('d') && Durations.TryParse(text[..^1] + "h", out age) ? (age *= 24) > TimeSpan.Zero : Durations.TryParse(text, out age) && age > TimeSpan.Zero;

    private sealed class Printer(TextWriter output, string format, bool withNamespaces, TimeProvider time)
    {
        private readonly CaptureTable _table = new(output, format == "wide", withNamespaces, time);

        internal void Write(IReadOnlyCollection<ListedCapture> captures, TextWriter notes)
        {
            // The newest last, where the eye is when the list has run by.
            var ordered = captures.OrderBy(capture => capture.StartedAt ?? DateTimeOffset.MinValue).ThenBy(capture => capture.Namespace).ThenBy(capture => capture.Name, StringComparer.Ordinal).ToList();
            switch (format)
            {
                case "json":
                    output.WriteLine(CaptureDocuments.Json(CaptureDocuments.List(ordered)));
                    break;
                case "yaml":
                    output.WriteLine(CaptureDocuments.Yaml(CaptureDocuments.List(ordered)));
                    break;
                case "name":
                    foreach (var capture in ordered)
                        output.WriteLine($"profilecapture.premortem.dev/{Printable.Of(capture.Name)}");
                    break;
                default:
                    if (ordered.Count > 0)
                        _table.Write(ordered);
                    else
                        notes.WriteLine("premortem: no captures found");
                    break;
            }
        }

        internal void WriteEvent(JsonElement seen, Func<ListedCapture, bool> isWanted)
        {
            if (!seen.TryGetProperty("object", out var changed) || !seen.TryGetProperty("type", out var type))
                throw new VerbException("kubectl sent no watch events: it has to be of 1.17 or later");
            if (type.ValueEquals("ERROR"))
                throw new VerbException($"the watch broke off: {Printable.Of(changed.GetRawText())}");
            var capture = ListedCapture.Of(changed);
            if (type.ValueEquals("DELETED") || type.ValueEquals("BOOKMARK") || !isWanted(capture))
                return;
            switch (format)
            {
                case "json":
                    output.WriteLine(CaptureDocuments.Json(capture.Source));
                    break;
                case "yaml":
                    output.WriteLine("---");
                    output.WriteLine(CaptureDocuments.Yaml(capture.Source));
                    break;
                case "name":
                    output.WriteLine($"profilecapture.premortem.dev/{Printable.Of(capture.Name)}");
                    break;
                default:
                    _table.Write([capture]);
                    break;
            }
            output.Flush();
        }
    }
}
