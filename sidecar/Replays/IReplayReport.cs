using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Replays;

/// <summary>What a replay finds, said as it is found, so that its length does not matter. Closed when disposed.</summary>
internal interface IReplayReport : IDisposable
{
    void Decided(in MemorySample sample, TriggerDecision decision);

    /// <summary>The program has begun anew; or the sidecar has, which forgets what memory did.</summary>
    void Restarted(in MemorySample sample, bool ofSidecar);

    void Ended(ReplayEnd end);

    void Finish(ReplayTotals totals);
}
