using System.Globalization;
using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Recorder;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Settings;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Triggers;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar;

/// <summary>
/// The loop, and the file to read first: follow the settings, find targets, sample their memory, ask the triggers, start captures, notice
/// ends. It runs on a thread of its own that never waits for a capture, a disk, a store or the operator.
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
    private static readonly TimeSpan KillSettles = TimeSpan.FromSeconds(1);

    /// <summary>A main process that is killed so soon after another one seemed to be was the victim.</summary>
    private static readonly TimeSpan DiesWithin = TimeSpan.FromSeconds(10);

    /// <summary>Of the grace period, what captures may use; the rest is for storing them.</summary>
    private const double CaptureShareOfGrace = 0.5;

    private readonly PipelineOptions _options;
    private readonly ISettingsSource _settings;
    private readonly Spool _spool;
    private readonly HistoryFile _history;
    private readonly Stores _stores;
    private readonly Uploader _uploader;
    private readonly Reporter _reporter;
    private readonly ILogger<Pipeline> _log;
    private readonly TimeProvider _time;
    private readonly ProcFs _proc = new();
    private readonly TargetFinder _finder;
    private readonly TargetProbe _probe;
    private readonly TargetFollower _follower;
    private readonly RecordWriter _records;
    private readonly FlightRecorder _recorder;
    private readonly CaptureLauncher _launcher;
    private readonly CaptureRequests _requests = new();
    private readonly RequestLedger _ledger;
    private readonly StatusOf _status = new();
    private readonly EndOfTargets _end = new();
    private readonly Beside _beside;
    private readonly OwnCgroup _own;
    private readonly OwnThrottle _throttle;
    private readonly Waiter _waiter = new();
    private readonly Dictionary<string, TargetWatch> _watches = [];
    private readonly Dictionary<string, bool> _succeeded = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _stopCaptures = new();
    private readonly long _startedAt;
    private FollowedSettings? _followed;
    private volatile bool _isStopping;
    private string _why = "nothing is left to watch";
    private int _signals;
    private int? _lastPid;
    private bool _isAnyThere;
    private bool _toldThrottled;
    private TimeSpan _scanDueAt;
    private TimeSpan _scanAnywayAt;
    private TimeSpan _missingSince;
    private TimeSpan _warmedAt = -WarmEvery;
    private TimeSpan? _trimAt = TrimAfter;
    private volatile bool _isTrimDue;

    public Pipeline(PipelineOptions options, ISettingsSource settings, Spool spool, HistoryFile history, Stores stores, Uploader uploader, Reporter reporter, ILoggerFactory loggers, TimeProvider time)
    {
        (_options, _settings, _spool, _history, _stores, _uploader, _reporter, _time) = (options, settings, spool, history, stores, uploader, reporter, time);
        _log = loggers.CreateLogger<Pipeline>();
        _beside = new Beside(_log, _stopping.Token);
        _finder = new TargetFinder(_proc, options.Scope, time);
        _probe = new TargetProbe(_proc, time, loggers.CreateLogger<TargetProbe>(), options.DiagnosticPort, options.Dumps);
        _follower = new TargetFollower(_proc, _probe, options, time, loggers.CreateLogger<TargetFollower>());
        _own = new OwnCgroup(_proc, time);
        _records = new RecordWriter(_own.ReadRoom, time, loggers.CreateLogger<RecordWriter>());
        _throttle = new OwnThrottle(_own.ReadThrottled);
        _recorder = new FlightRecorder(spool.Baselines, _proc, time, Random.Shared, loggers.CreateLogger<FlightRecorder>());
        _launcher = new CaptureLauncher(options, spool, history, uploader, reporter, _records, _recorder, _proc, _beside, loggers, time, _stopping.Token, _stopCaptures.Token);
        _ledger = new RequestLedger(spool.RequestsFile, spool.Captures.Where(capture => capture.Request is not null).Select(capture => capture.Request!.Uid));
        _startedAt = time.GetTimestamp();
    }

    private TimeSpan Elapsed => _time.GetElapsedTime(_startedAt);

    /// <summary>Runs until it is stopped or nothing is left to watch, and returns how many captures could not be stored.</summary>
    public async Task<int> RunAsync()
    {
        using var draining = new CancellationTokenSource();
        using var hardStop = new CancellationTokenSource();
        if (_settings.Newest is { } known)
            Follow(known);
        foreach (var capture in _spool.Captures.Where(capture => !capture.IsFinal))
        {
            _records.Complete(capture, null, null, capture.Record.AlsoFired, _followed?.For(capture.Record.Target.Container)?.Spec.Triggers);
            _reporter.Tell(capture);
        }
        if (_spool.Captures.Count > 0)
            Log.Recovered(_log, _spool.Captures.Count);
        using var silenced = new CancellationTokenSource();
        var uploads = Task.Run(() => _uploader.RunAsync(draining.Token, hardStop.Token));
        var reports = Task.Run(() => _reporter.RunAsync(silenced.Token, hardStop.Token));

        await OnThreadOfItsOwn(Loop);

        Log.Stopping(_log, _isStopping ? "asked to" : _why, _options.GracePeriod.TotalSeconds);
        hardStop.CancelAfter(_options.GracePeriod);
        _stopCaptures.CancelAfter(_options.GracePeriod * CaptureShareOfGrace);
        await _stopping.CancelAsync();
        await OnThreadOfItsOwn(Finish);
        await draining.CancelAsync();
        await uploads;
        await silenced.CancelAsync();
        await reports;
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
        Interlocked.Increment(ref _signals);
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
                    watch.Timeline.Add(watch.SampleOf(_time.GetUtcNow(), Elapsed, reading));
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
            if (Elapsed >= _scanDueAt)
            {
                _settings.Look(_waiter.Wake);
                if (!Scan())
                    return;
                TellStatus();
            }
            // By reference: what is read anew is another object, whatever it says.
            if (_settings.Newest is { } newest && newest != _followed)
                Follow(newest);
            descriptors.Clear();
            var next = _scanDueAt;
            foreach (var watch in _watches.Values)
            {
                if (Sweep(watch))
                    continue;
                if (watch.Life is { } ending && Waiter.IsReadable(ending.Process.Descriptor))
                    End(watch, ending);
                if (watch.Life is not { } life)
                    continue;
                if (Elapsed >= watch.DueAt)
                    Sample(watch, life);
                descriptors.Add(life.Process.Descriptor);
                next = watch.DueAt < next ? watch.DueAt : next;
            }
            if (Interlocked.Exchange(ref _signals, 0) > 0)
                foreach (var watch in _watches.Values.Where(watch => watch.Life is not null))
                    _launcher.StartUnasked(watch, watch.Life!, Names.RequestedTrigger, "request", "a capture was requested", isLimited: false);
            ServeRequests();
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
        var isMissing = (_watches.Count == 0 && _followed is { Policies.Count: > 0 }) || _watches.Values.Any(watch => watch.Life is null);
        if (!isMissing)
            _missingSince = now;
        _scanDueAt = now + (isMissing && now - _missingSince < MissingAfter ? ScanWhileMissing : ScanEvery);
        // While no process was born there is nothing new, unless one was moved into the cgroup.
        var lastPid = _proc.LastPid();
        if (lastPid == _lastPid && lastPid is not null && now < _scanAnywayAt && _finder.IsSettled)
            return !IsOver(now);
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
                if (WatchFor(target) is not { } begun)
                    continue;
                _watches.Add(target.Key, watch = begun);
            }
            watch.Pids = target.Pids;
            if (_follower.Follow(watch, target, Elapsed) is { } life)
                Probe(watch, life);
        }
        _isAnyThere = found.Count > 0;
        return _options.Scope switch
        {
            TargetScope.Process => found.Count > 0 || _watches.Values.Any(watch => watch.Life is not null),
            TargetScope.Cgroup cgroup => Directory.Exists(cgroup.Directory),
            _ => !IsOver(now),
        };
    }

    /// <summary>Whether a sidecar that is to end with its targets has seen the last of them.</summary>
    private bool IsOver(TimeSpan now)
    {
        if (_followed is not { EndsWithTargets: true })
            return false;
        var isAnyThere = _isAnyThere || _watches.Values.Any(watch => watch.Life is not null);
        if (_end.Look(now, isAnyThere, _succeeded.Count > 0 && _succeeded.Values.All(succeeded => succeeded), _followed.RestartPolicy) is not { } why)
            return false;
        _why = why;
        return true;
    }

    private TargetWatch? WatchFor(FoundTarget target)
    {
        if (_followed is not { } settings || !settings.IsContainer(target.Container))
            return null;
        var policy = settings.For(target.Container);
        if ((policy ?? (_requests.Wants(target.Container) ? settings.OnRequest() : null)) is not { } holding)
            return null;
        var engine = new TriggerEngine(policy?.Spec.Triggers ?? [], holding.Spec.Limits, _history.For(target.Key), $"{_options.Identity.Namespace}/{_options.Identity.Pod}/{target.Key}");
        return new TargetWatch(target.Key, target.Container, engine)
        {
            Policy = holding,
            First = settings.Policies[0].Reference,
            IsWatched = policy is not null,
            LimitByHandBytes = _options.MemoryLimitBytes,
            PodLimitBytes = settings.LimitOf(target.Container),
        };
    }

    private void Probe(TargetWatch watch, TargetLife life)
    {
        var spec = watch.Spec;
        watch.ProbedBy = (spec.Runtime, spec.Go);
        _ = _beside.Run(() => _probe.FollowAsync(life, spec, _stopping.Token), "finding the profiles");
    }

    /// <summary>Takes over newer settings. Captures under way go on by those that they began with; triggers that are the same remember what they know.</summary>
    private void Follow(FollowedSettings settings)
    {
        _followed = settings;
        _spool.SetCapacity(settings.SpoolBytes);
        foreach (var broken in _stores.Follow(settings))
            Log.StoreUnreachable(_log, broken.Location, broken.Status.Reason!, broken.Status.Message!);
        _reporter.Follow(settings.Report);
        _uploader.Wake();
        _finder.Containers = [.. settings.Containers.Select(container => container.Name)];
        _requests.Take(settings, _ledger.IsDone, Elapsed);
        foreach (var watch in _watches.Values)
            Follow(watch, settings);
        if (!settings.Policies.Any(policy => policy.Spec.FlightRecorder is not null))
            _spool.Baselines.DropUnclaimed();
        // Containers that are watched from now on are there already.
        (_scanDueAt, _lastPid, _missingSince) = (Elapsed, null, Elapsed);
    }

    private void Follow(TargetWatch watch, FollowedSettings settings)
    {
        var policy = settings.For(watch.Container);
        watch.IsWatched = policy is not null;
        watch.PodLimitBytes = settings.LimitOf(watch.Container);
        if ((policy ?? settings.OnRequest()) is { } holding)
            (watch.Policy, watch.First) = (holding, settings.Policies[0].Reference);
        watch.Engine.Change(policy?.Spec.Triggers ?? [], watch.Spec.Limits);
        watch.DueAt = TimeSpan.Zero;
        // Where a .NET runtime answers, nothing of this says otherwise.
        if (watch.Life is { } life && policy is not null && watch.ProbedBy != (policy.Spec.Runtime, policy.Spec.Go) && life is not { Source: not null, Identity.Runtime.Kind: RuntimeKind.DotNet })
            Probe(watch, life);
    }

    private void ServeRequests()
    {
        if (_requests.IsIdle || _followed is not { } settings)
            return;
        foreach (var decision in _requests.Due(settings, StateOf, Elapsed))
        {
            if (decision is RequestDecision.Begin begin && _watches[begin.Container] is { Life: { } life } watch)
            {
                var session = _launcher.StartRequested(watch, life, begin);
                KeepDone(decision, session.Begun);
            }
            else if (decision is RequestDecision.Fail fail)
            {
                Log.RequestFailed(_log, fail.Container, fail.Request.Name, fail.Reason, fail.Detail);
                _reporter.Tell(fail.Report(_options.Identity, settings.Policies is [var first, ..] ? first.Reference : new PolicyReference("", null), _time.GetUtcNow(), Product.NameAndVersion));
                KeepDone(decision, Task.CompletedTask);
            }
        }

        CaptureRequests.ContainerState? StateOf(string container) =>
            _watches.TryGetValue(container, out var watch) && watch.Life is { } life ? new(life.Source is not null, life.BeganAt) : null;
    }

    /// <summary>Done is what survives the sidecar: before that the next one begins anew.</summary>
    private void KeepDone(RequestDecision decision, Task begun)
    {
        if (!decision.IsLast)
            return;
        _ = _beside.Run(
            async () =>
            {
                await begun;
                try
                {
                    _ledger.Done(decision.Request.Uid);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    Log.HistoryNotKept(_log, e.Message);
                }
            },
            "keeping what was requested");
    }

    private void TellStatus()
    {
        if (_reporter.IsWanted)
            _reporter.Tell(_status.Now(_followed, _settings.Error, _stores.Status, _watches.Values));
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
        var sample = watch.SampleOf(_time.GetUtcNow(), started, reading);
        life.ContainerLimitBytes = reading.LimitBytes ?? watch.PodLimitBytes;
        foreach (var decision in watch.Judge(sample))
            switch (decision)
            {
                case TriggerDecision.Fire fire:
                    _launcher.Start(watch, life, new FiredTrigger(fire.Trigger.Name, fire.Trigger.Kind, fire.Reason, sample.At));
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
        // A victim that gets no CPU time dies late.
        if (Elapsed - seen < DiesWithin && _proc.IsDying(life.Process.Pid))
            return;
        _launcher.StartUnasked(watch, life, Names.OomKillTrigger, "oomKill", $"{reading.OomKills - watch.OomKillsBefore} other processes of the container were killed for want of memory", isLimited: true);
        watch.KillOfAnother = (Elapsed, watch.OomKillsBefore);
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
        _ = _beside.Run(() => source.WarmAsync(_stopping.Token), "warming a connection");
    }

    private void Record(TargetWatch watch, TargetLife life, in MemorySample sample)
    {
        if (_recorder.Next(watch, life, sample, Elapsed, _stopping.Token) is not { } take)
            return;
        _ = _beside.Run(
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
        var grown = used is null ? null : used + watch.Engine.GrowthBytesPerSecond * (Elapsed - watch.Last!.Value.Elapsed).TotalSeconds / watch.Last.Value.CeilingBytes;
        var before = watch.KillOfAnother is { } other && Elapsed - other.At < DiesWithin ? other.Before : watch.OomKillsBefore;
        var end = TargetEnd.Judge(_time.GetUtcNow(), before, watch.ReadOomKills(), life.Process.ReadExit(), used, grown, watch.Last?.Reading.OomKills);
        life.End(end);
        watch.End();
        Log.Ended(_log, watch.Container, life.Process.Pid, end.Outcome, end.Reason);
        _succeeded[watch.Key] = end.Status is { IsClean: true };
        if (watch.IsWatched && end.IsCrash && !watch.Sessions.Exists(session => session.Session.Life == life && !session.Run.IsCompleted))
        {
            var (name, kind) = end.Outcome == CaptureOutcome.OOMKilled ? (Names.OomKillTrigger, "oomKill") : (Names.ExitTrigger, "exit");
            _launcher.StartUnasked(watch, life, name, kind, end.Reason, isLimited: true);
        }
        var sessions = watch.Sessions.Select(session => session.Run).ToArray();
        var endRecording = _recorder.End(watch, life);
        _ = _beside.Run(
            async () =>
            {
                await Task.WhenAll(sessions);
                await endRecording();
                life.Dispose();
            },
            "letting go of a process");
        (_scanDueAt, _lastPid, _missingSince) = (Elapsed, null, Elapsed);
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

    /// <summary>Lets go of what has ended. True where the target itself is watched no more.</summary>
    private bool Sweep(TargetWatch watch)
    {
        if (watch.Sessions.Count > 0)
            watch.Sessions.RemoveAll(session => session.Run.IsCompleted);
        if (watch.IsWatched || watch.Sessions.Count > 0 || _requests.Wants(watch.Container))
            return false;
        Log.NoLongerWatched(_log, watch.Container);
        if (watch.Life is { } life)
        {
            _ = _beside.Run(_recorder.End(watch, life), "letting go of baselines");
            life.Replace();
        }
        _watches.Remove(watch.Key);
        watch.Dispose();
        return true;
    }
}
