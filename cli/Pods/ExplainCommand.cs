using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Contracts;

namespace Premortem.Cli.Pods;

/// <summary><c>premortem explain</c>: whether a pod is watched, by what, and if not, why.</summary>
internal static class ExplainCommand
{
    private static readonly JsonWriterOptions s_indented = new() { Indented = true, IndentSize = 4, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var pod = new Argument<string>("pod") { Description = "A pod: NAME, pod/NAME; or deploy/NAME, sts/NAME, ds/NAME, rs/NAME, job/NAME: the newest of its pods, or the next it would make." }.RefusingFlags();
        var format = new Option<string>("--output", "-o") { Description = "How to print it: text or json.", HelpName = "format", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "json");
        var command = new Command("explain", "Say whether a pod is watched, by which policy, what its sidecar found and what would fire next; or why it is not.") { pod, format };
        cluster.AddTo(command, world, (pod, "pods"));
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var reference = PodReference.Parse(parsed.GetValue(pod)!);
            string[] scope = cluster.Namespace(parsed) is { } ns ? ["-n", ns] : [];
            var explanation = await PodExplanation.OfAsync(cluster.Kubectl(parsed, world), reference, scope, world.Time, ct);
            if (parsed.GetValue(format) == "json")
                output.WriteLine(Json(explanation));
            else
                WriteText(explanation, output);
        }));
        return command;
    }

    private static void WriteText(PodExplanation it, TextWriter output)
    {
        output.WriteLine(Printable.Of(it.Subject));
        var injection = it.Injection;
        Line(1, injection.IsInjected ? $"injected: {injection.Detail}"
            : injection.Reason == InjectionView.WouldInject ? $"would be injected: {injection.Detail}"
            : $"not injected: {injection.Reason}: {injection.Detail}");
        Line(1, $"policies: {(it.Policies.Count == 0 ? "none" : string.Join(", ", it.Policies))}");
        foreach (var policy in injection.Policies.Where(policy => !policy.IsValid))
            Line(2, $"{policy.FullName} is invalid: {(policy.Reading.Errors is [var first, ..] ? first : null)}");
        foreach (var warning in injection.Warnings)
            Line(2, $"warning: {warning}");
        if (it.SettingsProblem is { } problem)
            Line(1, $"settings: {problem}");
        foreach (var (at, reason, message) in it.Events.Where(_ => !injection.IsInjected))
            Line(1, string.Create(CultureInfo.InvariantCulture, $"event {at?.UtcDateTime:yyyy-MM-dd HH:mm:ss} {reason}: {message}"));
        if (injection.Unread.Count > 0)
            Line(1, $"you may not read {string.Join(", ", injection.Unread)}: what they say is not in this");
        if (it.Sidecar is not { } sidecar)
            return;
        Line(1, $"sidecar: {sidecar.State}{(sidecar.Restarts > 0 ? string.Create(CultureInfo.InvariantCulture, $", {sidecar.Restarts} restarts") : "")}{(sidecar.Status is null ? "" : $", {sidecar.Status.Version}")}");
        if (sidecar.LastEnd is { } end)
            Line(2, $"it ended before: {end}{(end.StartsWith("OOMKilled", StringComparison.Ordinal) ? ": give it more memory in spec.sidecar.resources of its policy" : "")}");
        if (sidecar.Status is null)
            Line(2, "it has told the operator nothing: see its log, and whether a NetworkPolicy keeps the pod from the operator's service");
        if (sidecar.Status?.Storage is { } storage)
            Line(1, $"storage: {storage.Location} {(storage.Reachable switch { true => "can be written", false => $"cannot be written: {storage.Reason}: {storage.Message}", null => "was not tried yet" })}");
        foreach (var container in it.Containers)
            WriteContainer(container, Line);
        if (sidecar.Log.Problem is { } why)
            Line(1, $"its log cannot be read: {why}");
        var told = sidecar.Log.Lines.Where(line => line.IsWarning || line.Id is 401).ToList();
        if (told.Count > 0)
            Line(1, "its log warns:");
        foreach (var line in told.TakeLast(8))
            Line(2, string.Create(CultureInfo.InvariantCulture, $"{line.At?.UtcDateTime:yyyy-MM-dd HH:mm:ss} {line.Message}"));

        // What stands in a cluster is others' text.
        void Line(int depth, string text) => output.WriteLine(new string(' ', 2 * depth) + Printable.Of(text, 1000));
    }

    private static void WriteContainer(ContainerExplanation container, Action<int, string> line)
    {
        line(1, $"container {container.Name}:");
        var target = container.Target;
        if (target is null)
            line(2, "the sidecar has told of no process of it");
        else
        {
            line(2, $"runtime: {target.Runtime?.ToString() ?? "neither Go nor .NET, or not known yet"}");
            line(2, target.Profiles is { } profiles ? $"profiles: {profiles}" : $"profiles: none: {target.WhyNoProfiles ?? "not found yet"}");
            line(2, $"memory: {(target.MemorySource is { } source ? $"read from {source}" : "cannot be read")}");
        }
        line(2, $"ceiling: {(container.CeilingBytes is { } ceiling ? Quantity.ForPeople(ceiling) : "none")}{(container.LimitBytes is { } limit && limit != container.CeilingBytes ? $" (the container's limit is {Quantity.ForPeople(limit)})" : "")}");
        line(2, container.UsedBytes is { } used ? $"used: {Quantity.ForPeople(used)}, by {container.UsedFrom}" : "used: not known: there are no metrics of pods here, and the sidecar has told nothing yet");
        foreach (var (trigger, i) in container.Triggers.Select((trigger, i) => (trigger, i)))
            line(2, $"{(i == 0 ? "next: " : "then: ")}{trigger.Name} ({trigger.Kind}, {trigger.Policy}): {trigger.Says}");
    }

    private static string Json(PodExplanation it)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, s_indented))
        {
            json.WriteStartObject();
            json.WriteString("namespace", it.Namespace);
            json.WriteString("name", it.Name);
            json.WriteBoolean("injected", it.Injection.IsInjected);
            json.WriteString("reason", it.Injection.Reason);
            json.WriteString("detail", it.Injection.Detail);
            Texts(json, "policies", it.Policies);
            Texts(json, "warnings", it.Injection.Warnings);
            Texts(json, "unread", it.Injection.Unread);
            Text(json, "settingsProblem", it.SettingsProblem);
            json.WriteStartArray("events");
            foreach (var (at, reason, message) in it.Events)
            {
                json.WriteStartObject();
                if (at is { } time)
                    json.WriteString("at", time);
                json.WriteString("reason", reason);
                json.WriteString("message", message);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            if (it.Sidecar is { } sidecar)
            {
                json.WriteStartObject("sidecar");
                json.WriteBoolean("running", sidecar.IsRunning);
                json.WriteString("state", sidecar.State);
                json.WriteNumber("restarts", sidecar.Restarts);
                Text(json, "lastEnd", sidecar.LastEnd);
                Text(json, "image", sidecar.Image);
                if (sidecar.Status is { } status)
                {
                    json.WritePropertyName("status");
                    JsonSerializer.Serialize(json, status, ContractsJson.Default.SidecarStatus);
                }
                json.WriteStartArray("log");
                foreach (var line in sidecar.Log.Lines)
                {
                    json.WriteStartObject();
                    if (line.At is { } time)
                        json.WriteString("at", time);
                    json.WriteNumber("id", line.Id);
                    json.WriteBoolean("warning", line.IsWarning);
                    json.WriteString("message", line.Message);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteStartArray("containers");
            foreach (var container in it.Containers)
            {
                json.WriteStartObject();
                json.WriteString("name", container.Name);
                Number(json, "limitBytes", container.LimitBytes);
                Number(json, "ceilingBytes", container.CeilingBytes);
                Number(json, "usedBytes", container.UsedBytes);
                Text(json, "usedFrom", container.UsedFrom is { Length: > 0 } from ? from : null);
                json.WriteStartArray("triggers");
                foreach (var trigger in container.Triggers)
                {
                    json.WriteStartObject();
                    json.WriteString("name", trigger.Name);
                    json.WriteString("kind", trigger.Kind);
                    json.WriteString("policy", trigger.Policy);
                    json.WriteString("fires", trigger.Says);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());

        static void Text(Utf8JsonWriter json, string name, string? value)
        {
            if (value is not null)
                json.WriteString(name, value);
        }

        static void Number(Utf8JsonWriter json, string name, long? value)
        {
            if (value is { } number)
                json.WriteNumber(name, number);
        }

        static void Texts(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
        {
            json.WriteStartArray(name);
            foreach (var value in values)
                json.WriteStringValue(value);
            json.WriteEndArray();
        }
    }
}
