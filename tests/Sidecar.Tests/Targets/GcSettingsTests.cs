using System.Text;
using Premortem.Sidecar.Targets;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class GcSettingsTests
{
    private const long MiB = 1 << 20;
    private const long Machine = 8192 * MiB;

    [Fact]
    public void A_machine_without_a_limit_gives_none() => Assert.Null(Of(null, null, null).HeapLimitBytes);

    [Theory]
    [InlineData(256, 192)]
    [InlineData(16, 20)]
    public void In_a_container_three_quarters_of_its_limit_are_the_heaps(int limit, int heap) =>
        Assert.Equal(heap * MiB, Of(null, null, limit * MiB).HeapLimitBytes);

    [Fact]
    public void A_limit_above_the_machines_memory_is_none() => Assert.Null(Of(null, null, 2 * Machine).HeapLimitBytes);

    [Theory]
    [InlineData("DOTNET_GCHeapHardLimit=0x6400000", 100)]
    [InlineData("DOTNET_GCHeapHardLimit=6400000", 100)]
    [InlineData("COMPlus_GCHeapHardLimit=6400000", 100)]
    [InlineData("DOTNET_GCHeapHardLimitPercent=32", 128)]
    [InlineData("DOTNET_GCHeapHardLimitSOH=3200000 DOTNET_GCHeapHardLimitLOH=3200000", 100)]
    [InlineData("DOTNET_GCHeapHardLimitSOH=3200000", 192)]
    [InlineData("DOTNET_GCHeapHardLimitSOHPercent=19 DOTNET_GCHeapHardLimitLOHPercent=19", 128)]
    [InlineData("DOTNET_GCHeapHardLimit=0 DOTNET_GCHeapHardLimitPercent=64", 192)]
    [InlineData("DOTNET_GCHeapHardLimit=much", 192)]
    [InlineData("DOTNET_GCTotalPhysicalMemory=8000000", 96)]
    public void Variables_are_hexadecimal(string environment, int heap) =>
        Assert.Equal(heap * MiB, Of(environment, null, 256 * MiB).HeapLimitBytes);

    [Theory]
    [InlineData("""{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimit": 104857600}}}""", 100)]
    [InlineData("""{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimit": "0x6400000"}}}""", 100)]
    [InlineData("""{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimitPercent": 50}}}""", 128)]
    [InlineData("""{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimitPercent": 150}}}""", 192)]
    [InlineData("""{"runtimeOptions": {"configProperties": []}}""", 192)]
    [InlineData("""["runtimeOptions"]""", 192)]
    [InlineData("""{"runtimeOptions": """, 192)]
    public void Properties_are_numbers(string configuration, int heap) =>
        Assert.Equal(heap * MiB, Of(null, configuration, 256 * MiB).HeapLimitBytes);

    [Fact]
    public void A_variable_goes_before_a_property() =>
        Assert.Equal(
            (100 * MiB, "DOTNET_GCHeapHardLimit=6400000"),
            (Of("DOTNET_GCHeapHardLimit=6400000", """{"runtimeOptions": {"configProperties": {"System.GC.HeapHardLimit": 1}}}""", 256 * MiB) is var set ? set.HeapLimitBytes : 0, set.HeapLimitSource));

    [Theory]
    [InlineData("", "Workstation, concurrent")]
    [InlineData("DOTNET_gcServer=1", "Server, concurrent")]
    [InlineData("DOTNET_gcServer=1 DOTNET_gcConcurrent=0", "Server")]
    public void The_mode_is_told(string environment, string mode) => Assert.Equal(mode, Of(environment, null, null).Mode);

    [Fact]
    public void The_mode_of_the_configuration_is_told() =>
        Assert.Equal("Server", Of(null, """{"runtimeOptions": {"configProperties": {"System.GC.Server": true, "System.GC.Concurrent": false}}}""", null).Mode);

    [Theory]
    [InlineData("400MiB", 400L << 20)]
    [InlineData("1GiB", 1L << 30)]
    [InlineData("5B", 5L)]
    [InlineData("1048576", 1L << 20)]
    [InlineData("off", null)]
    [InlineData("9223372036854775807", null)]
    [InlineData("99999999TiB", null)]
    [InlineData("1GB", null)]
    [InlineData(null, null)]
    public void Gos_own_limit_is_read_as_Go_reads_it(string? text, long? bytes) =>
        Assert.Equal(bytes, GoMemoryLimit.TryParse(text, out var parsed) ? parsed : null);

    private static GcSettings Of(string? environment, string? configuration, long? limitBytes)
    {
        var variables = (environment ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        return GcSettings.Of(
            name => variables.GetValueOrDefault(name),
            configuration is null ? null : Encoding.UTF8.GetBytes(configuration),
            limitBytes,
            Machine);
    }
}
