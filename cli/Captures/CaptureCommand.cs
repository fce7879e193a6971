using System.Buffers;
using System.CommandLine;
using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Cli.Pods;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Captures;

/// <summary><c>premortem capture</c>: asks for a capture now, and follows it to its end.</summary>
internal static class CaptureCommand
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(10);

    internal static Command Create(World world)
    {
        var cluster = new ClusterOptions();
        var pod = new Argument<string>("pod") { Description = "A pod: NAME, pod/NAME; or deploy/NAME, sts/NAME, ds/NAME: the newest of its pods that runs and has the sidecar." }.RefusingFlags();
        var container = new Option<string?>("--container", "-c") { Description = "The container. Default: every one that is watched.", HelpName = "name" };
        var types = new Option<string[]>("--type") { Description = "What to capture, with commas between: Heap,Cpu. Default: what the policy says.", HelpName = "types", AllowMultipleArgumentsPerToken = false };
        var duration = new Option<string?>("--duration") { Description = "How long to profile, of Cpu, Trace and GcTrace: 1s to 10m.", HelpName = "time" };
        var wait = new Option<bool>("--wait") { Description = "With =false: ask, print the capture's name, and do not wait for its end.", DefaultValueFactory = _ => true };
        var timeout = new Option<string>("--timeout") { Description = "How long to wait for its end.", HelpName = "time", DefaultValueFactory = _ => "15m" };
        foreach (var option in new Option[] { duration, timeout })
            option.Validators.Add(result =>
            {
                if (result.Tokens is [var token] && (!Durations.TryParse(token.Value, out var length) || length < TimeSpan.FromSeconds(1)))
                    result.AddError($"{option.Name} is a length of time like 10s or 2m, of 1s at least");
            });
        var command = new Command("capture", "Capture a pod now.") { pod, container, types, duration, wait, timeout };
        cluster.AddTo(command, world, (pod, "pods"));
        command.SetAction((parsed, ct) => Verb.RunAsync(world, async output =>
        {
            var asked = Asked(parsed.GetValue(types) ?? [], parsed.GetValue(duration));
            var reference = PodReference.Parse(parsed.GetValue(pod)!);
            var kubectl = cluster.Kubectl(parsed, world);
            string[] scope = cluster.Namespace(parsed) is { } ns ? ["-n", ns] : [];
            var (found, _) = await reference.FindAsync(kubectl, scope, ct);
            if (found is not { } target)
                throw new VerbException($"{reference.Name} has no pod that runs: kubectl describe {reference.Resource.Split('.')[0]} {reference.Name} says why");
            await ExpectAsync(kubectl, target, parsed.GetValue(container), asked, ct);
            var name = target.Member("metadata").Text("name");
            scope = ["-n", target.Member("metadata").Text("namespace")];
            using var made = await kubectl.CreateAsync(Kubectl.Captures, Request(name, parsed.GetValue(container), asked), scope, ct);
            var capture = made.RootElement.Member("metadata").Text("name");
            if (!parsed.GetValue(wait))
            {
                output.WriteLine($"profilecapture.premortem.dev/{Printable.Of(capture)}");
                return;
            }
            world.Errors.WriteLine($"asked for {capture}, of the pod {name}");
            await new RequestedCaptureView(kubectl, capture, scope, world)
                .FollowAsync(output, Durations.TryParse(parsed.GetValue(timeout)!, out var most) ? most : s_longest, ct);
        }));
        return command;
    }

    /// <summary>What is asked for; an error where it cannot be meant.</summary>
    private static List<CaptureRequest> Asked(string[] types, string? duration)
    {
        TimeSpan? length = duration is not null && Durations.TryParse(duration, out var given) ? given : null;
        if (length > s_longest)
            throw VerbException.Usage("--duration is 10m at most");
        var asked = new List<CaptureRequest>();
        foreach (var name in types.SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))
        {
            // A number would be taken for the place in the list.
            if (!Enum.TryParse<CaptureType>(name, ignoreCase: true, out var type) || !char.IsAsciiLetter(name[0]))
                throw VerbException.Usage($"'{Printable.Of(name, 60)}' is nothing that can be captured: there are {string.Join(", ", Enum.GetNames<CaptureType>())}");
            if (!asked.Exists(other => other.Type == type))
                asked.Add(new CaptureRequest(type, CaptureRequest.TakesTime(type) ? length : null));
        }
        return length is not null && !asked.Exists(request => CaptureRequest.TakesTime(request.Type))
            ? throw VerbException.Usage("--duration goes with --type Cpu, Trace or GcTrace")
            : asked;
    }

    /// <summary>What cannot come to anything is not asked for.</summary>
    private static async Task ExpectAsync(Kubectl kubectl, JsonElement pod, string? container, List<CaptureRequest> asked, CancellationToken ct)
    {
        var (metadata, spec) = (pod.Member("metadata"), pod.Member("spec"));
        var name = metadata.Text("name");
        if (pod.Member("status").Text("phase") is ("Succeeded" or "Failed") and var phase)
            throw new VerbException($"the pod {name} has ended ({phase}): there is nothing left to capture");
        if (!PodReference.IsInjected(pod))
        {
            var view = await InjectionView.OfAsync(kubectl, pod, metadata.Text("namespace"), isTemplate: false, ct);
            throw new VerbException($"the pod {name} has no sidecar: {view.Reason}: {Printable.Of(view.Detail, 1000)} (premortem explain {name} says more)");
        }
        var containers = spec.Items("containers").Concat(spec.Items("initContainers"))
            .Select(one => one.Text("name"))
            .Where(one => one != Names.SidecarContainer)
            .ToList();
        if (container is not null && !containers.Contains(container))
            throw new VerbException($"the pod {name} has no container '{Printable.Of(container, 100)}', but {Printable.Of(string.Join(", ", containers))}");
        var targets = SidecarView.StatusOf(pod)?.Targets.Where(target => (container is null || target.Container == container) && target.Runtime is RuntimeKind.Go or RuntimeKind.DotNet).ToList() ?? [];
        foreach (var request in asked.Where(request => request.Type != CaptureType.Process && targets.Count > 0))
            if (targets.TrueForAll(target => !CaptureRequest.IsFor(request.Type, target.Runtime!.Value)))
                throw new VerbException(
                    $"{request.Type} is for {(targets[0].Runtime == RuntimeKind.Go ? ".NET" : "Go")}, and {targets[0].Container} of {name} is a {(targets[0].Runtime == RuntimeKind.Go ? "Go" : ".NET")} program: it has {string.Join(", ", Enum.GetValues<CaptureType>().Where(type => CaptureRequest.IsFor(type, targets[0].Runtime!.Value)))}");
    }

    private static byte[] Request(string pod, string? container, List<CaptureRequest> asked)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("apiVersion", ProfilePolicy.ApiVersion);
            json.WriteString("kind", "ProfileCapture");
            json.WriteStartObject("metadata");
            // The server adds five letters.
            json.WriteString("generateName", (pod.Length > 200 ? pod[..200] : pod) + "-now-");
            json.WriteEndObject();
            json.WriteStartObject("spec");
            json.WriteString("podName", pod);
            if (container is not null)
                json.WriteString("container", container);
            if (asked.Count > 0)
            {
                json.WriteStartArray("captures");
                foreach (var request in asked)
                {
                    json.WriteStartObject();
                    json.WriteString("type", request.Type.ToString());
                    if (request.Duration is { } duration)
                        json.WriteString("duration", Durations.Format(duration));
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
