using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

/// <summary>Connections are counted by the kernel's table, where those of a sidecar that looks for pprof on every port would stand too: alone.</summary>
[Collection(nameof(WholeMachine))]
public sealed class PprofConnectionTests
{
    [Fact]
    public async Task Captures_use_the_connection_that_was_opened_ahead()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        using var client = PprofClientTests.Client(target);
        Assert.True(await client.WarmAsync(default));
        for (var i = 0; i < 5; i++)
            Assert.IsType<CaptureResult.Captured>(await client.CaptureAsync(CaptureType.Heap, null, Stream.Null, new CaptureBounds(), default));
        Assert.Equal(1, Connections(target));
    }

    /// <summary>The established connections of the target's port, by the kernel's table.</summary>
    private static int Connections(GoLeak target) =>
        File.ReadLines("/proc/net/tcp").Count(line => line.Contains($"0100007F:{target.Pprof.Port:X4} ", StringComparison.Ordinal) && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var local, _, "01", ..] && local.EndsWith($":{target.Pprof.Port:X4}", StringComparison.Ordinal));
}
