namespace Premortem.Sidecar.Uploads;

/// <summary>Something could not be stored.</summary>
/// <param name="reason">A word from <see cref="Contracts.Reasons"/>.</param>
/// <param name="message">What went wrong and what to do, for a person; never holds a secret.</param>
/// <param name="isTransient">Whether the same call may succeed later without anybody changing anything.</param>
internal sealed class StoreException(string reason, string message, bool isTransient, Exception? inner = null) : Exception(message, inner)
{
    public string Reason { get; } = reason;

    public bool IsTransient { get; } = isTransient;
}
