namespace Premortem.Operator.Records;

/// <summary>What the operator writes on a <c>ProfileCapture</c> beside its spec and status, and on a pod about its kills.</summary>
internal static class RecordNames
{
    public const string PolicyLabel = "premortem.dev/policy";
    public const string PolicyKindLabel = "premortem.dev/policy-kind";
    public const string TriggerLabel = "premortem.dev/trigger";
    public const string WorkloadLabel = "premortem.dev/workload";
    public const string ContainerLabel = "premortem.dev/container";
    public const string PodLabel = "premortem.dev/pod";
    public const string PodUidLabel = "premortem.dev/pod-uid";

    /// <summary>On a record of a request that has several containers: the name of the request.</summary>
    public const string RequestLabel = "premortem.dev/request";

    /// <summary>On a record: the container id of the life that the OOM killer ended, which names the kill.</summary>
    public const string OomKillAnnotation = "premortem.dev/oom-kill";

    /// <summary>On a record that stands for a kill without a capture: when the life that was ended had begun.</summary>
    public const string LifeStartedAnnotation = "premortem.dev/life-started-at";

    /// <summary>On a pod: which of the kills in its status have their record, so that none is recorded again once its record is deleted.</summary>
    public const string RecordedKillsAnnotation = "premortem.dev/recorded-oom-kills";
}
