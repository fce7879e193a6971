namespace Premortem.Sidecar.Memory;

/// <summary>A <c>memory.csv</c> that cannot be read, with the line where that shows.</summary>
internal sealed class MemoryCsvException(long line, string message) : Exception($"line {line}: {message}");
