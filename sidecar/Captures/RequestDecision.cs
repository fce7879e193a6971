using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>What is to be done about a request, for one container.</summary>
internal abstract record RequestDecision(RequestedCapture Request, string Container)
{
    /// <summary>Whether nothing else of the request is waited for.</summary>
    public bool IsLast { get; init; }

    public RequestReference Reference => new(Request.Name, Request.Uid);

    /// <param name="Spec">By which policy, with the captures that were asked for.</param>
    internal sealed record Begin(RequestedCapture Request, string Container, ProfilePolicySpec Spec) : RequestDecision(Request, Container);

    /// <summary>It cannot be served.</summary>
    /// <param name="Spec">Of the policy that would have held; null: none.</param>
    /// <param name="Reason">A word from <see cref="Reasons"/>.</param>
    internal sealed record Fail(RequestedCapture Request, string Container, ProfilePolicySpec? Spec, string Reason, string Detail) : RequestDecision(Request, Container)
    {
        /// <summary>What the user gets to see.</summary>
        public CaptureReport Report(SidecarIdentity identity, PolicyReference policy, DateTimeOffset now, string producer)
        {
            var id = Convert.ToHexStringLower(Guid.CreateVersion7(now).ToByteArray(bigEndian: true).AsSpan(6, 6));
            var workload = identity.Workload ?? Container;
            IReadOnlyList<CaptureRequest> wanted = Request.Captures.Count > 0 ? Request.Captures : Spec?.Captures ?? ProfilePolicySpec.DefaultCaptures;
            return new CaptureReport(
                new CaptureRecord
                {
                    Id = id,
                    Folder = ObjectPath.Folder(identity.Namespace, workload, identity.Pod, Container, now, Names.RequestedTrigger, id),
                    Policy = policy,
                    Trigger = new FiredTrigger(Names.RequestedTrigger, "request", $"the ProfileCapture {Request.Name} asks for it", now),
                    Target = new TargetIdentity { Namespace = identity.Namespace, Workload = workload, Pod = identity.Pod, Container = Container, Node = identity.Node, Incarnation = 0 },
                    Phase = CapturePhase.Failed,
                    OutcomeReason = $"{Reason}: {Detail}",
                    StartedAt = now,
                    CompletedAt = now,
                    Memory = new MemoryAtTrigger(0, 0, null, null, "none"),
                    Artifacts = [.. wanted.Select(capture => new Artifact { Type = capture.Type.ToString(), Key = ArtifactKeys.Of(new PlannedCapture(capture.Type, PlanDecisions.Skipped, null), null), Reason = Reason, Error = Detail })],
                    Producer = producer,
                },
                null,
                Reference)
            {
                Sequence = 1,
            };
        }
    }
}
