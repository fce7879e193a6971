using Microsoft.Extensions.Logging;

namespace Premortem.Sidecar.Hosting;

/// <summary>Work beside the loop. What it throws is a mistake of ours: it is logged, and the watch goes on.</summary>
internal sealed class Beside(ILogger log, CancellationToken stopping)
{
    /// <param name="what">What it is, for the log.</param>
    public Task Run(Func<Task> work, string what) => Task.Run(async () =>
    {
        try
        {
            await work();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Ending.
        }
#pragma warning disable CA1031 // One failed piece of work must not end the watch over all targets.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.Unexpected(log, e, what);
        }
    });
}
