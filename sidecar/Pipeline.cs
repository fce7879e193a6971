using System.Globalization;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Recorder;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Triggers;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar;

/// <summary>
/// The loop, and the file to read first: find targets, sample their memory, ask the triggers, start captures, notice ends. It runs on
/// a thread of its own that never waits for a capture, a disk or a store.
/// </summary>
internal sealed class Pipeline : IDisposable
{
    private static readonly TimeSpan ScanEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ScanAnywayEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan YoungFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WarmEvery = TimeSpan.FromSeconds(10);

    /// <summary>How long after the start, and after the last capture, the code that was needed for it is let go of.</summary>
    private static readonly TimeSpan TrimAfter = TimeSpan.FromSeconds(3);

    /// <summary>A restarted container is back within moments or after a back-off: it is looked for closely, then less so.</summary>
    private static readonly TimeSpan ScanWhileMissing = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan MissingAfter = TimeSpan.FromSeconds(30);

    /// <summary>When a process of the container was killed, the main one is given this long to turn out to be it.</summary>
    private static readonly TimeSpan KillSettles = TimeSpan.FromMilliseconds(250);

    /// <summary>Of the grace period, what captures may use; the rest is for storing them.</summary>
    private const double CaptureShareOfGrace = 0.5;

    private readonly PipelineOptions _options;
    private readonly Spool _spool;
    private readonly HistoryFile _history;
    private readonly Uploader _uploader;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger<Pipeline> _log;
    private readonly TimeProvider _time;
    private readonly ProcFs _proc = new();
    private readonly TargetFinder _finder;
    private readonly TargetProbe _probe;
    private readonly TargetFollower _follower;
    private readonly RecordWriter _records;
    private readonly FlightRecorder? _recorder;
    private readonly OwnCgroup _own;
    private readonly OwnThrottle _throttle;
    private bool _toldThrottled;
    private readonly Waiter _waiter = new();
    private readonly Dictionary<string, TargetWatch> _watches = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _stopCaptures = new();
    private readonly long _startedAt;
    private volatile bool _isStopping;
    private int _requests;
    private int? _lastPid;
    private TimeSpan _scanDueAt;
    private TimeSpan _scanAnywayAt;
    private TimeSpan _missingSince;
    private TimeSpan _warmedAt = -WarmEvery;
    private TimeSpan? _trimAt = TrimAfter;
    private volatile bool _isTrimDue;

    public Pipeline(PipelineOptions options, Spool spool, HistoryFile history, Uploader uploader, ILoggerFactory loggers, TimeProvider time)
    {
        (_options, _spool, _history, _uploader, _loggers, _time) = (options, spool, history, uploader, loggers, time);
        _log = loggers.CreateLogger<Pipeline>();
        _finder = new TargetFinder(_proc, options.Scope, options.Policy.Spec.Containers, time);
        _probe = new TargetProbe(_proc, options.Policy.Spec, time, loggers.CreateLogger<TargetProbe>(), options.DiagnosticPort, options.Dumps);
        _follower = new TargetFollower(_proc, _probe, options, time, loggers.CreateLogger<TargetFollower>());
        _own = new OwnCgroup(_proc, time);
        _records = new RecordWriter(options.Policy.Spec, _own.ReadRoom, time, loggers.CreateLogger<RecordWriter>());
        _throttle = new OwnThrottle(_own.ReadThrottled);
        if (options.Policy.Spec.FlightRecorder is { } recorder)
            _recorder = new FlightRecorder(recorder, spool.Baselines, _proc, time, Random.Shared, loggers.CreateLogger<FlightRecorder>());
        else
            spool.Baselines.DropUnclaimed();
        _startedAt = time.GetTimestamp();
    }

    private TimeSpan Elapsed => _time.GetElapsedTime(_startedAt);

    /// <summary>Runs until it is stopped or nothing is left to watch, and returns how many captures could not be stored.</summary>
    public async Task<int> RunAsync()
    {
        using var draining = new CancellationTokenSource();
        using var hardStop = new CancellationTokenSource();
        foreach (var capture in _spool.Captures.Where(capture => !capture.IsFinal))
            _records.Complete(capture, null, null, capture.Record.AlsoFired);
        if (_spool.Captures.Count > 0)
            Log.Recovered(_log, _spool.Captures.Count);
        var uploads = Task.Run(() => _uploader.RunAsync(draining.Token, hardStop.Token));

        await OnThreadOfItsOwn(Loop);

        Log.Stopping(_log, _isStopping ? "asked to" : "nothing is left to watch", _options.GracePeriod.TotalSeconds);
        hardStop.CancelAfter(_options.GracePeriod);
        _stopCaptures.CancelAfter(_options.GracePeriod * CaptureShareOfGrace);
        await _stopping.CancelAsync();
        await OnThreadOfItsOwn(Finish);
        await draining.CancelAsync();
        await uploads;
        return _spool.Captures.Count;
    }

    /// <summary>Asks it to end. Safe from any thread.</summary>
    public void Stop()
    {
        _isStopping = true;
        _waiter.Wake();
    }

    /// <summary>Asks for a capture of every target now. Safe from any thread.</summary>
    public void RequestCapture()
    {
        Interlocked.Increment(ref _requests);
        _waiter.Wake();
    }

    public void Dispose()
    {
        foreach (var watch in _watches.Values)
            watch.Dispose();
        _probe.Dispose();
        _own.Dispose();
        _waiter.Dispose();
        _stopping.Dispose();
        _stopCaptures.Dispose();
    }

    private static Task OnThreadOfItsOwn(Action work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>
    /// Until every capture is complete, what becomes of its target is still noticed: at the end of a pod, the target ends too. No
    /// trigger is asked any more.
    /// </summary>
    private void Finish()
    {
        var descriptors = new List<int>();
        while (_watches.Values.Any(watch => watch.Sessions.Exists(session => !session.Run.IsCompleted)))
        {
            descriptors.Clear();
            foreach (var watch in _watches.Values)
            {
                if (watch.Life is { } ending && Waiter.IsReadable(ending.Process.Descriptor))
                    End(watch, ending);
                if (watch.Life is not { } life)
                    continue;
                if (watch.Memory!.TryRead(out var reading))
                    watch.Timeline.Add(watch.SampleOf(_time.GetUtcNow(), Elapsed, reading, _options.MemoryLimitBytes));
                descriptors.Add(life.Process.Descriptor);
            }
            _waiter.Wait(descriptors, TargetWatch.LongestWhileCapturing);
        }
    }

    private void Loop()
    {
        var descriptors = new List<int>();
        while (!_isStopping)
        {
            if (Elapsed >= _scanDueAt && !Scan())
                return;
            descriptors.Clear();
            var next = _scanDueAt;
            foreach (var watch in _watches.Values)
            {
                Sweep(watch);
                if (watch.Life is { } ending && Waiter.IsReadable(ending.Process.Descriptor))
                    End(watch, ending);
                if (watch.Life is not { } life)
                    continue;
                if (Elapsed >= watch.DueAt)
                    Sample(watch, life);
                descriptors.Add(life.Process.Descriptor);
                next = watch.DueAt < next ? watch.DueAt : next;
            }
            if (Interlocked.Exchange(ref _requests, 0) > 0)
                foreach (var watch in _watches.Values.Where(watch => watch.Life is not null))
                    StartUnasked(watch, watch.Life!, Names.RequestedTrigger, "request", "a capture was requested", isLimited: false);
            TrimWhenIdle();
            LookAtOneself();
            if (_scanDueAt > Elapsed || descriptors.Count > 0)
            {
                var wait = next - Elapsed;
                _waiter.Wait(descriptors, wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
                if (wait > TimeSpan.Zero)
                    _throttle.Woke(Elapsed - next);
            }
        }
    }

    /// <summary>Looks for targets that came, came back or went. False when there is nothing to wait for any more.</summary>
    private bool Scan()
    {
        var now = Elapsed;
        var isMissing = _watches.Count == 0 || _watches.Values.Any(watch => watch.Life is null);
        if (!isMissing)
            _missingSince = now;
        _scanDueAt = now + (isMissing && now - _missingSince < MissingAfter ? ScanWhileMissing : ScanEvery);
        // While no process was born there is nothing new, unless one was moved into the cgroup.
        var lastPid = _proc.LastPid();
        if (lastPid == _lastPid && lastPid is not null && now < _scanAnywayAt && _finder.IsSettled)
            return true;
        // A program that has just been started may not be yet where it will live.
        var isYoung = _watches.Values.Any(watch => watch.Life is { } life && now - life.BeganAt < YoungFor);
        (_lastPid, _scanAnywayAt) = (lastPid, now + (isYoung ? ScanEvery : ScanAnywayEvery));

        // The number of a process that has ended may be another's by now.
        if (_options.Scope is TargetScope.Process && _watches.Count > 0 && _watches.Values.All(watch => watch.Life is null))
            return false;
        var found = _finder.Find();
        foreach (var target in found)
        {
            if (!_watches.TryGetValue(target.Key, out var watch))
            {
                var engine = new TriggerEngine(_options.Policy.Spec.Triggers, _options.Policy.Spec.Limits, _history.For(target.Key), $"{_options.Identity.Namespace}/{_options.Identity.Pod}/{target.Key}");
                _watches.Add(target.Key, watch = new TargetWatch(target.Key, target.Container, engine));
            }
            watch.Pids = target.Pids;
            if (_follower.Follow(watch, target, Elapsed) is { } begun)
                _ = Watched(() => _probe.FollowAsync(begun, _stopping.Token), "finding the profiles");
        }
        return _options.Scope switch
        {
            TargetScope.Process => found.Count > 0 || _watches.Values.Any(watch => watch.Life is not null),
            TargetScope.Cgroup cgroup => Directory.Exists(cgroup.Directory),
            _ => true,
        };
    }

    private void Sample(TargetWatch watch, TargetLife life)
    {
        var started = Elapsed;
        if (!watch.Memory!.TryRead(out var reading))
        {
            // It is about to be seen to have died; the descriptor tells.
            watch.DueAt = started + SamplingRate.ShortestOverBudget;
            return;
        }
        var sample = watch.SampleOf(_time.GetUtcNow(), started, reading, _options.MemoryLimitBytes);
        life.ContainerLimitBytes = reading.LimitBytes;
        foreach (var decision in watch.Judge(sample))
            switch (decision)
            {
                case TriggerDecision.Fire fire:
                    Start(watch, life, new FiredTrigger(fire.Trigger.Name, fire.Trigger.Kind, fire.Reason, sample.At));
                    break;
                case TriggerDecision.Hold { Reason: not Reasons.NotRearmed } hold:
                    Log.Held(_log, watch.Container, hold.Trigger.Name, hold.Reason, hold.Detail);
                    break;
            }
        NoticeKill(watch, life, reading);
        Tell(watch, sample);
        KeepWarm(watch, life, sample);
        Record(watch, life, sample);
        watch.DueAt = started + watch.NextWait(sample, Elapsed - started, _throttle.IsThrottled);
    }

    /// <summary>A kill that the main process survived: another process of the container was the victim.</summary>
    private void NoticeKill(TargetWatch watch, TargetLife life, in MemoryReading reading)
    {
        if (reading.OomKills > watch.OomKillsBefore && watch.KillSeenAt is null)
            watch.KillSeenAt = Elapsed;
        if (watch.KillSeenAt is not { } seen || Elapsed - seen < KillSettles)
            return;
        StartUnasked(watch, life, Names.OomKillTrigger, "oomKill", $"{reading.OomKills - watch.OomKillsBefore} other processes of the container were killed for want of memory", isLimited: true);
        (watch.OomKillsBefore, watch.KillSeenAt) = (reading.OomKills, null);
    }

    private void Tell(TargetWatch watch, in MemorySample sample)
    {
        if (sample.CeilingBytes is not > 0)
            return;
        var percent = (int)Math.Min(sample.Reading.WorkingSetBytes * 100 / sample.CeilingBytes.Value, 100);
        if (percent / 10 == watch.ToldTenth)
            return;
        var isHigher = percent / 10 > watch.ToldTenth;
        watch.ToldTenth = percent / 10;
        if (isHigher)
            Log.MemoryAt(
                _log,
                watch.Container,
                Quantity.ForPeople(sample.Reading.WorkingSetBytes),
                Quantity.ForPeople(sample.CeilingBytes.Value),
                percent,
                Quantity.ForPeople((long)(watch.Engine.GrowthBytesPerSecond ?? 0)),
                watch.Engine.TimeToCeiling is { } left ? string.Create(CultureInfo.InvariantCulture, $"{left.TotalSeconds:0.0} s") : "no time to be seen");
    }

    /// <summary>The connection is made ready while there is time: when a trigger fires, a capture costs one round trip.</summary>
    private void KeepWarm(TargetWatch watch, TargetLife life, in MemorySample sample)
    {
        if (life.Source is not { } source || watch.Sessions.Count > 0 || Elapsed - _warmedAt < WarmEvery
            || watch.Engine.LowestThreshold(sample.CeilingBytes) is not { } threshold
            || sample.Reading.WorkingSetBytes < threshold / 2)
            return;
        _warmedAt = Elapsed;
        _ = Watched(() => source.WarmAsync(_stopping.Token), "warming a connection");
    }

    private void Record(TargetWatch watch, TargetLife life, in MemorySample sample)
    {
        if (_recorder?.Next(watch, life, sample, Elapsed, _stopping.Token) is not { } take)
            return;
        _ = Watched(
            async () =>
            {
                await take();
                _isTrimDue = true;
            },
            "a baseline");
    }

    private void End(TargetWatch watch, TargetLife life)
    {
        var used = watch.Last is { } last && last.CeilingBytes is > 0 ? (double)last.Reading.WorkingSetBytes / last.CeilingBytes.Value : (double?)null;
        var end = TargetEnd.Judge(_time.GetUtcNow(), watch.OomKillsBefore, watch.ReadOomKills(), life.Process.ReadExit(), used);
        life.End(end);
        watch.End();
        Log.Ended(_log, watch.Container, life.Process.Pid, end.Outcome, end.Reason);
        if (end.IsCrash && !watch.Sessions.Exists(session => session.Session.Life == life && !session.Run.IsCompleted))
        {
            var (name, kind) = end.Outcome == CaptureOutcome.OOMKilled ? (Names.OomKillTrigger, "oomKill") : (Names.ExitTrigger, "exit");
            StartUnasked(watch, life, name, kind, end.Reason, isLimited: true);
        }
        var sessions = watch.Sessions.Select(session => session.Run).ToArray();
        var endRecording = _recorder?.End(watch, life);
        _ = Watched(
            async () =>
            {
                await Task.WhenAll(sessions);
                if (endRecording is not null)
                    await endRecording();
                life.Dispose();
            },
            "letting go of a process");
        (_scanDueAt, _lastPid, _missingSince) = (Elapsed, null, Elapsed);
    }

    private void StartUnasked(TargetWatch watch, TargetLife life, string name, string kind, string reason, bool isLimited)
    {
        var now = _time.GetUtcNow();
        if (isLimited && watch.Engine.UsedUp(now) is { } usedUp)
        {
            Log.Held(_log, watch.Container, name, Reasons.MaxPerDay, usedUp);
            return;
        }
        watch.Engine.Count(name, now);
        Start(watch, life, new FiredTrigger(name, kind, reason, now));
    }

    private void Start(TargetWatch watch, TargetLife life, FiredTrigger fired)
    {
        _history.Note(watch.Key, watch.Engine.History);
        var underWay = watch.Sessions.FindAll(session => session.Session.Life == life && !session.Session.Captured.IsCompleted);
        if (underWay.Find(session => !session.Session.HasInstant) is { Session: { } active })
        {
            active.Join(fired);
            Log.Joined(_log, watch.Container, fired.Name, fired.Reason);
        }
        else
        {
            var around = new CaptureSession.Surroundings(
                _options.Policy, _spool, _uploader, watch.Timeline, _records, watch.Costs, _proc, _options.MemoryLimitBytes, _options.Dumps, _time, _loggers.CreateLogger<CaptureSession>(), _stopping.Token, _stopCaptures.Token);
            _recorder?.MakeWay(life);
            var session = new CaptureSession(
                around, life, fired, watch.MemoryNow(), watch.Engine.TimeToCeiling, underWay.Count > 0, _recorder?.OfAsync(watch, life) ?? Task.FromResult<IReadOnlyList<Baseline>>([]));
            // Off this thread first: the log comes after the request is on its way.
            watch.Sessions.Add((session, Watched(session.RunAsync, "a capture")));
            Log.Fired(_log, watch.Container, fired.Name, fired.Reason);
        }
        _ = Watched(
            () =>
            {
                WriteHistory();
                return Task.CompletedTask;
            },
            "keeping the triggers' history");
    }

    private void WriteHistory()
    {
        try
        {
            _history.Write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.HistoryNotKept(_log, e.Message);
        }
    }

    /// <summary>Whoever set the quota wants it kept: with less CPU time than it asks for, the sidecar asks for less.</summary>
    private void LookAtOneself()
    {
        if (!_throttle.Look(Elapsed) || !_throttle.IsThrottled || _toldThrottled)
            return;
        _toldThrottled = true;
        Log.Throttled(_log, Math.Round(_throttle.LostShare * 100));
    }

    private void TrimWhenIdle()
    {
        foreach (var watch in _watches.Values)
            if (watch.Sessions.Count > 0)
                _trimAt = Elapsed + TrimAfter;
        if (!(_trimAt <= Elapsed || (_isTrimDue && _trimAt is null)))
            return;
        (_trimAt, _isTrimDue) = (null, false);
        Footprint.Trim();
    }

    private static void Sweep(TargetWatch watch)
    {
        if (watch.Sessions.Count > 0)
            watch.Sessions.RemoveAll(session => session.Run.IsCompleted);
    }

    /// <summary>Work beside the loop. What it throws is a mistake of ours: it is logged, and the watch goes on.</summary>
    private Task Watched(Func<Task> work, string what) => Task.Run(async () =>
    {
        try
        {
            await work();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Ending.
        }
#pragma warning disable CA1031 // One failed piece of work must not end the watch over all targets.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.Unexpected(_log, e, what);
        }
    });
}
