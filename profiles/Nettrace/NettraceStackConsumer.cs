namespace Premortem.Profiles.Nettrace;

/// <summary>Takes the stacks of a stream.</summary>
/// <param name="id">What events call it until the next sequence point.</param>
/// <param name="addresses">Its instruction pointers, innermost first, each of the stream's pointer size.</param>
public delegate void NettraceStackConsumer(int id, ReadOnlySpan<byte> addresses);
