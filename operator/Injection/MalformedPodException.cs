namespace Premortem.Operator.Injection;

/// <summary>A field of a pod is not what the Kubernetes API says it is. It never leaves <see cref="PodInjector"/>.</summary>
internal sealed class MalformedPodException(string path, string what) : Exception($"{path}: {what}");
