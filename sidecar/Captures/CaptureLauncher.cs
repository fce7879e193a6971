using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Recorder;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Triggers;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Captures;

/// <summary>Starts captures: of what fired, of what was asked for, and of what was not seen coming. The sampling thread calls it, and nothing waits.</summary>
/// <param name="stopCaptures">Cancelled when no capture may go on.</param>
/// <param name="stopping">Cancelled when the sidecar was asked to end.</param>
internal sealed class CaptureLauncher(
    PipelineOptions options,
    Spool spool,
    HistoryFile history,
    Uploader uploader,
    Reporter reporter,
    RecordWriter records,
    FlightRecorder recorder,
    ProcFs proc,
    Beside beside,
    ILoggerFactory loggers,
    TimeProvider time,
    CancellationToken stopping,
    CancellationToken stopCaptures)
{
    private readonly ILogger<CaptureLauncher> _log = loggers.CreateLogger<CaptureLauncher>();

    /// <summary>What a trigger of the policy decided.</summary>
    public void Start(TargetWatch watch, TargetLife life, FiredTrigger fired)
    {
        var underWay = UnderWay(watch, life);
        if (underWay.Find(session => !session.HasInstant) is { } active)
        {
            active.Join(fired);
            Log.Joined(_log, watch.Container, fired.Name, fired.Reason);
            KeepHistory(watch);
        }
        else
        {
            Begin(watch, life, fired, watch.Spec, underWay.Count > 0, null);
        }
    }

    /// <summary>What no trigger of a policy asked for: after a kill, or by a signal.</summary>
    /// <param name="isLimited">Whether <c>limits.maxPerDay</c> holds it.</param>
    public void StartUnasked(TargetWatch watch, TargetLife life, string name, string kind, string reason, bool isLimited)
    {
        var now = time.GetUtcNow();
        if (isLimited && watch.Engine.UsedUp(now) is { } usedUp)
        {
            Log.Held(_log, watch.Container, name, Reasons.MaxPerDay, usedUp);
            return;
        }
        watch.Engine.Count(name, now);
        Start(watch, life, new FiredTrigger(name, kind, reason, now));
    }

    /// <summary>What somebody asked for: it is a capture of its own, whatever is under way, for it answers a question.</summary>
    /// <returns>The capture, which survives the sidecar when its <see cref="CaptureSession.Begun"/> has ended.</returns>
    public CaptureSession StartRequested(TargetWatch watch, TargetLife life, RequestDecision.Begin asked)
    {
        var now = time.GetUtcNow();
        watch.Engine.Count(Names.RequestedTrigger, now);
        var fired = new FiredTrigger(Names.RequestedTrigger, "request", $"the ProfileCapture {asked.Request.Name} asks for it", now);
        return Begin(watch, life, fired, asked.Spec, UnderWay(watch, life).Count > 0, asked.Reference);
    }

    private static List<CaptureSession> UnderWay(TargetWatch watch, TargetLife life) =>
        [.. watch.Sessions.Where(session => session.Session.Life == life && !session.Session.Captured.IsCompleted).Select(session => session.Session)];

    private CaptureSession Begin(TargetWatch watch, TargetLife life, FiredTrigger fired, ProfilePolicySpec spec, bool isBeside, RequestReference? request)
    {
        var around = new CaptureSession.Surroundings(
            PolicyOf(watch, fired.Name),
            spec,
            reporter,
            spool,
            uploader,
            watch.Timeline,
            records,
            watch.Costs,
            proc,
            watch.Last is { } last ? watch.GivenLimit(last.Reading) : options.MemoryLimitBytes,
            options.Dumps,
            time,
            loggers.CreateLogger<CaptureSession>(),
            stopping,
            stopCaptures);
        recorder.MakeWay(life);
        var session = new CaptureSession(around, life, fired, watch.MemoryNow(), watch.Engine.TimeToCeiling, isBeside, recorder.OfAsync(watch, life), request);
        // Off this thread first: the log comes after the request is on its way.
        watch.Sessions.Add((session, beside.Run(session.RunAsync, "a capture")));
        Log.Fired(_log, watch.Container, fired.Name, fired.Reason);
        KeepHistory(watch);
        return session;
    }

    /// <summary>Whose trigger it is; what is nobody's is the first policy's.</summary>
    private static PolicyReference PolicyOf(TargetWatch watch, string trigger) =>
        watch.Policy.PolicyOf.GetValueOrDefault(trigger) ?? watch.First;

    private void KeepHistory(TargetWatch watch)
    {
        history.Note(watch.Key, watch.Engine.History);
        _ = beside.Run(
            () =>
            {
                try
                {
                    history.Write();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    Log.HistoryNotKept(_log, e.Message);
                }
                return Task.CompletedTask;
            },
            "keeping the triggers' history");
    }
}
