namespace Premortem.Profiles.Nettrace;

/// <summary>Takes the events of a stream, in its order.</summary>
public delegate void NettraceEventConsumer(in NettraceEvent item);
