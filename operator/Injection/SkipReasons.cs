namespace Premortem.Operator.Injection;

/// <summary>Why a pod gets no sidecar: the word stands in events, the policy's status, metrics and logs. Described in docs/reference/reasons.md.</summary>
internal static class SkipReasons
{
    public const string NoPolicy = nameof(NoPolicy);
    public const string OptedOut = nameof(OptedOut);
    public const string ExcludedNamespace = nameof(ExcludedNamespace);
    public const string AlreadyInjected = nameof(AlreadyInjected);
    public const string MirrorPod = nameof(MirrorPod);
    public const string Windows = nameof(Windows);
    public const string HostProcessNamespace = nameof(HostProcessNamespace);

    /// <summary>The pod or a policy wants its containers not to see each other's processes.</summary>
    public const string ProcessNamespaceNotShared = nameof(ProcessNamespaceNotShared);

    public const string NameTaken = nameof(NameTaken);
    public const string NoContainer = nameof(NoContainer);
    public const string InvalidPolicy = nameof(InvalidPolicy);
    public const string MalformedPod = nameof(MalformedPod);

    /// <summary>The server would refuse the pod for the size of its annotations.</summary>
    public const string SettingsTooLarge = nameof(SettingsTooLarge);

    /// <summary>The pod was made before the policy, or while no operator answered.</summary>
    public const string NotSeen = nameof(NotSeen);
}
