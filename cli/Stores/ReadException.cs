namespace Premortem.Cli.Stores;

/// <summary>Something could not be read from a store.</summary>
/// <param name="message">What went wrong and what to do; never holds a secret.</param>
internal sealed class ReadException(string message, bool isTransient, bool isMissing = false, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the same call may succeed without anybody changing anything.</summary>
    public bool IsTransient { get; } = isTransient;

    /// <summary>Whether it is not there.</summary>
    public bool IsMissing { get; } = isMissing;
}
