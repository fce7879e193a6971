using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Settings;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Triggers;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Hosting;

/// <summary><c>premortem-sidecar run</c>: puts the parts together, and takes them apart again.</summary>
/// <param name="policyFile">The policy that is followed; null: settings are.</param>
/// <param name="settingsFile">The settings that an operator writes; null: a policy is followed.</param>
internal sealed class RunCommand(string? policyFile, string? settingsFile, TargetScope scope, string spoolDirectory, long? memoryLimitBytes, TimeSpan gracePeriod, string? diagnosticPort = null, DumpFolder? dumps = null, string? tokenFile = null)
{
    /// <summary>SIGUSR1, which .NET has no name for; raw numbers are allowed.</summary>
    private const PosixSignal CaptureSignal = (PosixSignal)10;

    private readonly TimeProvider _time = TimeProvider.System;

    public async Task<int> RunAsync(ILoggerFactory loggers)
    {
        var log = loggers.CreateLogger<RunCommand>();
        // In a pod it is its target's user, and holds credentials and a token that are not the target's.
        if (settingsFile is not null)
            Libc.CloseToOthers();
        if (ReadSettings(loggers, warning => Log.PolicyWarning(log, warning)) is not { } source)
            return ExitCodes.Usage;
        if (MissingTarget() is { } missing)
            return Refuse(missing, ExitCodes.NoTarget);
        Spool spool;
        IReadOnlyList<string> unreadable;
        try
        {
            spool = Spool.Open(spoolDirectory, source.Newest?.SpoolBytes ?? new CaptureLimits().SpoolBytes, out unreadable);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Refuse($"--spool {spoolDirectory}: cannot be used: {e.Message}", ExitCodes.CannotStore);
        }
        foreach (var problem in unreadable)
            Log.SpoolUnreadable(log, problem);
        using var stores = new Stores(storage => ArtifactStores.Open(storage, _time), isChecked: settingsFile is not null);
        // What an operator writes may be mended while this runs; what stands on the command line may not.
        if (source.Newest is { } known && stores.Follow(known) is [{ Status: var broken }, ..] && settingsFile is null)
            return Refuse($"spec.storage: {broken.Reason}: {broken.Message}", ExitCodes.CannotStore);
        dumps?.Make();
        DiagnosticPortListener? port;
        try
        {
            port = diagnosticPort is null ? null : DiagnosticPortListener.Open(diagnosticPort, _time, loggers.CreateLogger<DiagnosticPortListener>());
        }
        catch (DiagnosticsException e)
        {
            return Refuse($"--diagnostic-port {e.Message}", ExitCodes.Usage);
        }
        using (port)
        {
            using var reporter = new Reporter(ReportQueue.Open(spool.ReportsDirectory), tokenFile ?? Names.TokenFile, _time, loggers.CreateLogger<Reporter>());
            using var uploader = new Uploader(spool, stores, _time, loggers.CreateLogger<Uploader>(), (capture, location) => reporter.Tell(capture, location));
            var options = new PipelineOptions(scope, SidecarIdentity.FromEnvironment(policyFile is null ? null : source.Newest?.Policies[0].Namespace), memoryLimitBytes, gracePeriod) { DiagnosticPort = port, Dumps = dumps };
            var history = new HistoryFile(Path.Combine(spoolDirectory, "triggers.json"));
            using var pipeline = new Pipeline(options, source, spool, history, stores, uploader, reporter, loggers, _time);
            using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            using var request = PosixSignalRegistration.Create(CaptureSignal, context =>
            {
                context.Cancel = true;
                pipeline.RequestCapture();
            });
            Log.Started(log, Product.NameAndVersion, ScopeName(), policyFile is null ? settingsFile! : source.Newest!.Policies[0].Name, stores.Status?.Location ?? "nowhere yet", spoolDirectory);
            var left = await pipeline.RunAsync();
            Log.Stopped(log, left);
            return left == 0 ? ExitCodes.Done : ExitCodes.LeftInSpool;

            void Stop(PosixSignalContext context)
            {
                context.Cancel = true;
                pipeline.Stop();
            }
        }
    }

    /// <summary><c>--dry-run</c>: what is found, what would be done, and why.</summary>
    public async Task<int> ExplainAsync()
    {
        var output = Console.Out;
        if (ReadSettings(NullLoggerFactory.Instance, warning => output.WriteLine($"warning    {warning}")) is not { } source)
            return ExitCodes.Usage;
        if (source.Newest is not { } settings)
            return Refuse($"{settingsFile}: {source.Error}", ExitCodes.Usage);
        if (MissingTarget() is { } missing)
            return Refuse(missing, ExitCodes.NoTarget);
        foreach (var policy in settings.Policies)
            await output.WriteLineAsync($"policy     {policy.Name} from {policyFile ?? settingsFile}");
        await output.WriteLineAsync($"scope      {ScopeName()}");
        var proc = new ProcFs();
        var targets = new TargetFinder(proc, scope, _time) { Containers = [.. settings.Containers.Select(container => container.Name)] }
            .Find().Where(target => settings.For(target.Container) is not null).ToList();
        if (targets.Count == 0)
            await output.WriteLineAsync("target     none now; it would be waited for");
        foreach (var target in targets)
            await ExplainAsync(output, proc, settings.For(target.Container)!.Spec, target);
        await output.WriteLineAsync($"spool      {spoolDirectory}, at most {Quantity.Format(settings.SpoolBytes)}");
        var code = ExitCodes.Done;
        foreach (var storage in settings.Policies.Select(policy => policy.Spec.Storage).Distinct())
            if (await ExplainStoreAsync(output, storage) is not ExitCodes.Done and var failed)
                code = failed;
        return code;
    }

    private async Task ExplainAsync(TextWriter output, ProcFs proc, ProfilePolicySpec spec, FoundTarget target)
    {
        await output.WriteLineAsync($"target     {target.Container}: {target.Pids.Count} processes, cgroup {target.Cgroup?.Directory ?? "not readable"}");
        using IMemorySource memory = target.Cgroup is { Directory: { } directory, MountPoint: { } mount } && CgroupMemory.TryOpen(directory, mount, _time) is { } cgroup
            ? cgroup
            : new ProcMemory(proc.Root, () => target.Pids);
        var isReadable = memory.TryRead(out var reading);
        var ceiling = reading.Ceiling(memoryLimitBytes);
        await output.WriteLineAsync(isReadable
            ? $"  memory   {memory.Name}: working set {Quantity.ForPeople(reading.WorkingSetBytes)}, usage {Quantity.ForPeople(reading.UsageBytes)}, limit {(ceiling is { } c ? Quantity.ForPeople(c) : "none: shares of the limit and timeToLimit cannot fire")}"
            : $"  memory   cannot be read from {memory.Name}");
        using var probe = new TargetProbe(proc, _time, NullLogger<TargetProbe>.Instance);
        using var finder = new PprofEndpointFinder(_time, proc.Root);
        Obstacle? whyNoProfiles = new(Reasons.EndpointNotFound, "no profiles were found");
        (int Pid, RuntimeIdentity? Runtime)? main = null;
        foreach (var pid in target.Pids.Take(16))
        {
            var (executable, runtime) = probe.Identify(pid, spec.Runtime);
            if (main is not { Runtime: not null })
                main = (main is null || runtime is not null ? pid : main.Value.Pid, runtime);
            await output.WriteLineAsync($"  process  {pid} {executable ?? "(executable not readable)"}: {(runtime is null ? "neither Go nor .NET" : runtime.Kind == RuntimeKind.DotNet ? $".NET {runtime.Version}" : $"{runtime.Kind} {runtime.Version}, main module {runtime.MainModule}")}");
            if (runtime?.Kind == RuntimeKind.DotNet)
            {
                if (await ExplainDotNetAsync(output, proc, pid, reading.LimitBytes))
                    whyNoProfiles = null;
                continue;
            }
            if (runtime is null && spec.Go.Port is null)
                continue;
            var search = await finder.FindAsync(pid, spec.Go, CancellationToken.None);
            if (search is PprofSearch.Found)
                whyNoProfiles = null;
            await output.WriteLineAsync(search switch
            {
                PprofSearch.Found found => $"  profiles {found.Endpoint}",
                PprofSearch.NotFound none => $"  profiles none: {none.Reason}: {none.Detail}",
                _ => "",
            });
        }
        foreach (var trigger in spec.Triggers)
            await output.WriteLineAsync($"  trigger  {trigger.Name}: {Explain(trigger, reading, ceiling)}");
        var now = new CaptureConditions
        {
            Runtime = main?.Runtime?.Kind,
            RuntimeVersion = main?.Runtime?.Version,
            WhyNoProfiles = whyNoProfiles,
            HeadroomBytes = CaptureConditions.Headroom(isReadable ? reading : null, memoryLimitBytes, proc.AvailableBytes()),
            ResidentBytes = main is { } process ? proc.Stat(process.Pid)?.ResidentBytes : null,
            SpoolRoomBytes = spec.Limits.SpoolBytes / 2,
        };
        if (main is { Runtime.Kind: RuntimeKind.DotNet, Pid: var dotNet })
            now = now.With(DumpFolder.Find(proc, dotNet, dumps));
        foreach (var step in CapturePlanner.Plan(spec.Captures, now))
            await output.WriteLineAsync($"  capture  {PlanText.Step(step)}");
    }

    private async Task<bool> ExplainDotNetAsync(TextWriter output, ProcFs proc, int pid, long? limitBytes)
    {
        if (DotNetProcess.TryFind(proc, pid, null) is not { } dotNet)
            return false;
        var settings = GcSettings.Of(proc, pid, limitBytes);
        await output.WriteLineAsync($"  GC       {settings.Mode}, heap limit {(settings.HeapLimitBytes is { } bytes ? $"{Quantity.ForPeople(bytes)} by {settings.HeapLimitSource}" : "none")}");
        var search = dotNet.FindEndpoint(null);
        if (search is DiagnosticsSearch.NotFound missing)
        {
            await output.WriteLineAsync($"  profiles none: {missing.Reason}: {missing.Detail}");
            return false;
        }
        try
        {
            using var client = new DiagnosticsClient(((DiagnosticsSearch.Found)search).Endpoint, _time);
            var info = await client.ReadProcessInfoAsync(CancellationToken.None);
            await output.WriteLineAsync($"  profiles {client.Address}: {info.Assembly}, .NET {info.Version}");
            return true;
        }
        catch (DiagnosticsException e)
        {
            await output.WriteLineAsync($"  profiles none: {e.Reason}: {e.Message}");
            return false;
        }
    }

    private string Explain(Trigger trigger, in MemoryReading reading, long? ceiling)
    {
        switch (trigger)
        {
            case MemoryUsageTrigger usage:
                if (usage.Threshold.InBytes(ceiling) is not { } threshold)
                    return "cannot fire: it is a share of a limit, and there is none";
                var now = reading.WorkingSetBytes >= threshold ? "is there now" : $"{Quantity.ForPeople(threshold - reading.WorkingSetBytes)} to go";
                return $"working set at {Quantity.ForPeople(threshold)} ({usage.Threshold}) for {Durations.Format(usage.For)}; {now}";
            case TimeToLimitTrigger limit:
                return ceiling is { } bytes
                    ? string.Create(CultureInfo.InvariantCulture, $"from {Quantity.ForPeople((long)(bytes * TriggerEngine.LeastUsageForPrediction))} on, when growth would meet {Quantity.ForPeople(bytes)} within {Durations.Format(limit.Within)}")
                    : "cannot fire: there is no limit";
            case RisingFloorTrigger floor:
                return string.Create(CultureInfo.InvariantCulture, $"when what memory falls back to has climbed by {floor.GrowthFraction * 100:0.##}% in {Durations.Format(floor.Window)}; not before {Durations.Format(FloorTrend.NotBefore(floor.Window))} of watching");
            case ScheduleTrigger schedule when Schedule.TryRead(schedule, out var times, out _) && times.After(_time.GetUtcNow()) is { } next:
                return string.Create(CultureInfo.InvariantCulture, $"next at {next:yyyy-MM-dd HH:mm}Z{(schedule.Jitter > TimeSpan.Zero ? $", put off by up to {Durations.Format(schedule.Jitter)}" : "")}");
            default:
                return $"{trigger.Kind}: never";
        }
    }

    private async Task<int> ExplainStoreAsync(TextWriter output, Storage storage)
    {
        try
        {
            using var store = ArtifactStores.Open(storage, _time);
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30), _time);
            await store.CheckAsync(deadline.Token);
            await output.WriteLineAsync($"store      {store.Locate("")}: can be written");
            return ExitCodes.Done;
        }
        catch (StoreException e)
        {
            await output.WriteLineAsync($"store      cannot be written: {e.Reason}: {e.Message}");
            return ExitCodes.CannotStore;
        }
        catch (OperationCanceledException)
        {
            await output.WriteLineAsync("store      did not answer within 30 s");
            return ExitCodes.CannotStore;
        }
    }

    private ISettingsSource? ReadSettings(ILoggerFactory loggers, Action<string> warn)
    {
        if (settingsFile is not null)
        {
            var file = new SettingsFile(settingsFile, FollowedSettings.Read, loggers.CreateLogger<SettingsFile>());
            file.Read();
            return file;
        }
        var reading = PolicyFile.Read(policyFile!);
        foreach (var warning in reading.Warnings)
            warn(warning.ToString());
        foreach (var error in reading.Errors)
            Console.Error.WriteLine($"{policyFile}: {error}");
        return reading.Policy is { } policy ? new FixedSettings(FollowedSettings.Of(policy, choosesContainers: scope is TargetScope.Pod)) : null;
    }

    private string? MissingTarget() => scope switch
    {
        TargetScope.Process process when new ProcFs().Stat(process.Pid) is null or { State: 'Z' or 'X' } => $"--pid {process.Pid}: there is no such process",
        TargetScope.Cgroup cgroup when !Directory.Exists(cgroup.Directory) => $"--cgroup {cgroup.Directory}: there is no such directory",
        TargetScope.Cgroup cgroup when !File.Exists(Path.Combine(cgroup.Directory, "cgroup.procs")) => $"--cgroup {cgroup.Directory}: is no cgroup: it has no cgroup.procs",
        _ => null,
    };

    private string ScopeName() => scope switch
    {
        TargetScope.Process process => $"process {process.Pid}",
        TargetScope.Cgroup cgroup => $"cgroup {cgroup.Directory}",
        _ => "the containers of this pod",
    };

    private static int Refuse(string message, int exitCode)
    {
        Console.Error.WriteLine(message);
        return exitCode;
    }
}
