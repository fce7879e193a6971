using System.Globalization;
using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Contracts;

namespace Premortem.Cli.Captures;

/// <summary>A capture that was asked for, told as it goes on.</summary>
internal sealed class RequestedCaptureView(Kubectl kubectl, string name, string[] scope, World world)
{
    private static readonly TimeSpan s_pace = TimeSpan.FromSeconds(1);

    /// <summary>Long enough for a store that is there; what is not stored by then stands in the sidecar's spool.</summary>
    private static readonly TimeSpan s_storing = TimeSpan.FromMinutes(1);

    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    /// <summary>Follows it to its end, and prints what it brought.</summary>
    internal async Task FollowAsync(TextWriter output, TimeSpan timeout, CancellationToken ct)
    {
        using var limit = new CancellationTokenSource(timeout, world.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            JsonElement capture;
            var endedAt = (long?)null;
            while (!HasEnded(capture = await LookAsync(both.Token), ref endedAt))
                await Task.Delay(s_pace, world.Time, both.Token);
            Conclude(capture, output);
        }
        catch (OperationCanceledException)
        {
            var where = $"kubectl get pcap {name} {string.Join(' ', scope)} -w";
            throw new VerbException(ct.IsCancellationRequested
                ? $"not waited for any longer; the capture goes on: {where}"
                : $"no end within {Durations.Format(timeout)}; the capture goes on: {where}, and premortem explain says how the sidecar is");
        }
    }

    private async Task<JsonElement> LookAsync(CancellationToken ct)
    {
        using var found = await kubectl.GetAsync(Kubectl.Captures, [name, .. scope], ct)
            ?? throw new VerbException($"the ProfileCapture {name} was deleted, and with it the request");
        var capture = found.RootElement.Clone();
        var status = capture.Member("status");
        var phase = status.Text("phase");
        if (phase.Length > 0)
            Tell(ConditionOf(status, "Complete") is { Message.Length: > 0 } complete && phase is "Pending" ? $"{phase}: {complete.Reason}: {complete.Message}" : phase);
        if (status.Text("container") is { Length: > 0 } container && status.Text("triggerReason").Length > 0)
            Tell($"container {container}: {status.Member("memory").Text("summary")}");
        foreach (var artifact in status.Items("artifacts"))
            if (artifact.Text("error") is { Length: > 0 } error)
                Tell($"{artifact.Text("key")}: {(artifact.Number("bytes") > 0 ? "not whole" : "not captured")}: {error}");
            else
                Tell($"{artifact.Text("key")}: {Quantity.ForPeople(artifact.Number("bytes"))}");
        return capture;
    }

    private bool HasEnded(JsonElement capture, ref long? endedAt)
    {
        var status = capture.Member("status");
        switch (status.Text("phase"))
        {
            case "Failed":
                return true;
            case "Completed" or "Partial":
                endedAt ??= world.Time.GetTimestamp();
                // Captured is not stored.
                return status.Text("location").Length > 0 || world.Time.GetElapsedTime(endedAt.Value) > s_storing;
            default:
                return false;
        }
    }

    private void Conclude(JsonElement capture, TextWriter output)
    {
        var status = capture.Member("status");
        var complete = ConditionOf(status, "Complete");
        var isStored = status.Text("location").Length > 0;
        if (status.Text("phase") == "Failed")
            throw new VerbException($"the capture {name} failed{(complete.Reason.Length > 0 ? $": {Printable.Of(complete.Reason, 60)}: {Printable.Of(complete.Message, 1000)}" : "")}");
        output.WriteLine($"profilecapture.premortem.dev/{Printable.Of(name)}");
        output.WriteLine(isStored
            ? Printable.Of(status.Text("location"), 2048)
            : $"not stored yet: {Printable.Of(ConditionOf(status, "Stored").Message, 500)}");
        var rows = status.Items("top").ToList();
        if (rows.Count > 0)
        {
            output.WriteLine("      flat  flat%  name");
            foreach (var row in rows)
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Quantity.ForPeople(row.Number("flatBytes")),10} {row.Text("flatPercent"),5}%  {Printable.Of(row.Text("name"), 200)}"));
        }
        output.Flush();
        if (isStored)
            world.Errors.WriteLine($"premortem: {world.Program} top {name} {string.Join(' ', scope)} says more; {world.Program} open {name} shows the report");
    }

    private void Tell(string news)
    {
        if (_told.Add(news))
            world.Errors.WriteLine(Printable.Of(news, 1000));
    }

    private static (string Reason, string Message) ConditionOf(JsonElement status, string type)
    {
        foreach (var condition in status.Items("conditions"))
            if (condition.Text("type") == type)
                return (condition.Text("reason"), condition.Text("message"));
        return ("", "");
    }
}
