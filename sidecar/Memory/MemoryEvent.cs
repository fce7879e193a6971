namespace Premortem.Sidecar.Memory;

/// <summary>Something to mark on the memory timeline: <c>trigger:oom-ahead</c>, <c>capture:Heap</c>, <c>OOMKilled</c>.</summary>
internal sealed record MemoryEvent(DateTimeOffset At, string Name);
