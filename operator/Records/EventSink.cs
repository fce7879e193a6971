using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>Where events go: <see cref="EventRecorder.Record"/>.</summary>
internal delegate void EventSink(ObjectReference about, EventKind kind, string reason, string message);
