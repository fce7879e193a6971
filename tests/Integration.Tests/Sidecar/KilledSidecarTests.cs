using System.Globalization;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The sidecar is killed at any moment: while it captures, while it stores, while it completes, while it recovers.</summary>
[Collection(nameof(WholeMachine))]
public sealed class KilledSidecarTests
{
    private const int Kills = 24;

    [Theory]
    [InlineData(20261)]
    [InlineData(7)]
    public async Task Everything_that_was_said_to_be_captured_is_stored_whole_in_the_end(int seed)
    {
        var random = new Random(seed);
        using var ground = new SidecarGround(
            "[{name: never, memoryUsage: {threshold: 1Ti}}]",
            "[{type: Heap}, {type: Goroutine}, {type: Allocs}, {type: Block}, {type: Process}, {type: Trace, duration: 1s}]",
            limits: "{maxPerDay: 1000}");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20", "-goroutines", "500"]);
        var captured = new List<LogLine>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
            // Every third is killed on its way up, while it takes over what the one before has left.
            if (kill % 3 != 2)
            {
                await sidecar.ReadyAsync();
                sidecar.Signal(SidecarProcess.SigUsr1);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(kill % 3 == 2 ? random.Next(5, 60) : kill % 3 == 1 ? random.Next(0, 80) : random.Next(80, 1500)), TimeProvider.System);
            sidecar.Signal(SidecarProcess.SigKill);
            Assert.Equal(128 + SidecarProcess.SigKill, await sidecar.ExitAsync());
            Assert.Empty(sidecar.Events(104));
            Assert.Empty(sidecar.Events(604));
            Assert.DoesNotContain("Unhandled", sidecar.Output);
            captured.AddRange(sidecar.Events(500));
        }
        await using (var last = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await last.WaitForAsync(100);
            await Eventually.IsTrue(() => ground.Waiting == 0, "an empty spool", TimeSpan.FromSeconds(30));
            Assert.Equal(0, await last.StopAsync());
        }

        var captures = ground.Captures;
        Assert.True(captures.Count >= Kills / 3, $"{captures.Count} captures of {Kills} lives");
        Assert.All(captures, capture => capture.AssertWhole());
        // One folder a capture, one manifest a folder, nothing half.
        Assert.Equal(captures.Count, captures.Select(capture => capture.Record.Id).Distinct().Count());
        Assert.All(
            new DirectoryInfo(ground.Store).EnumerateDirectories("*-requested-*", SearchOption.AllDirectories),
            folder => Assert.True(File.Exists(Path.Combine(folder.FullName, Names.Manifest)), folder.FullName));
        // What was logged as captured is in the store: by its type and its size.
        var stored = captures.SelectMany(capture => capture.Record.Artifacts).Where(artifact => artifact.IsComplete).ToLookup(artifact => (artifact.Type, artifact.Bytes));
        foreach (var group in captured.GroupBy(line => (Type: line["Type"], Bytes: long.Parse(line["Bytes"], CultureInfo.InvariantCulture))))
            Assert.True(stored[group.Key].Count() >= group.Count(), $"{group.Key}: captured {group.Count()} times, stored {stored[group.Key].Count()} times");
        Assert.NotEmpty(captured);
    }
}
