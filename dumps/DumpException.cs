namespace Premortem.Dumps;

/// <summary>A dump cannot be read here; the message says why, and what would help.</summary>
public sealed class DumpException(string message, Exception? inner = null) : Exception(message, inner);
