using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class GoBuildInfoTests : IDisposable
{
    private static readonly GoBuildInfo Expected = new(CraftedElf.GoVersion, "shop.example/checkout/cmd/server", "shop.example/checkout", "v1.2.3");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [CombinatorialFlags(4)]
    public void It_is_read_from_every_form_of_the_file(bool is64, bool bigEndian, bool pointers, bool sections) =>
        Assert.Equal(Expected, Read(new CraftedElf { Is64 = is64, BigEndian = bigEndian, Pointers = pointers, Sections = sections }));

    [Theory]
    [InlineData(0)]
    [InlineData(0xfff0)]
    [InlineData(0x1_0000)]
    [InlineData(0x12_3450)]
    public void Without_a_section_table_it_is_found_anywhere_in_the_data(int offset) =>
        Assert.Equal(Expected, Read(new CraftedElf { Sections = false, BlobOffset = offset, DataBytes = offset + 0x2000 }));

    [Fact]
    public void A_magic_that_is_not_aligned_is_passed_over()
    {
        var elf = new CraftedElf { Sections = false, BlobOffset = 0x2000 }.ToBytes();
        elf.AsSpan(0x1000 + 0x2000, 14).CopyTo(elf.AsSpan(0x1000 + 0x108));
        Assert.Equal(Expected, Read(elf));
    }

    [Fact]
    public void The_search_ends_after_16_MiB()
    {
        const int beyond = 16 * 1024 * 1024;
        Assert.Null(Read(new CraftedElf { Sections = false, BlobOffset = beyond, DataBytes = beyond + 0x2000 }));
    }

    [Fact]
    public void A_program_without_modules_has_a_version_alone()
    {
        var elf = new CraftedElf().ToBytes();
        elf.AsSpan(0x1000 + 0x40 + 33 + CraftedElf.GoVersion.Length).Clear();
        Assert.Equal(new GoBuildInfo(CraftedElf.GoVersion, null, null, null), Read(elf));
    }

    [Theory]
    [InlineData("")]
    [InlineData("#!/bin/sh\n")]
    [InlineData("\u007fELF")]
    public void What_is_no_Go_program_has_none(string content) => Assert.Null(Read(System.Text.Encoding.UTF8.GetBytes(content)));

    [Fact]
    public void A_file_that_is_not_there_has_none() => Assert.Null(GoBuildInfo.TryRead(_folder.File("missing")));

    [Fact]
    public void A_program_that_is_not_Go_has_none() => Assert.Null(GoBuildInfo.TryRead("/bin/sh"));

    [Fact]
    public void A_file_cut_anywhere_is_read_or_refused_without_an_exception()
    {
        var elf = new CraftedElf { DataBytes = 0x800, BlobOffset = 0x20 }.ToBytes();
        for (var length = 0; length < elf.Length; length += 7)
            Read(elf[..length]);
    }

    [Property(MaxTest = 300)]
    public Property Any_bytes_written_over_its_headers_are_survived(bool is64, bool bigEndian, bool pointers) =>
        Prop.ForAll(
            Gen.Choose(0, 255).ArrayOf(24).ToArbitrary(),
            Gen.Choose(0, 0x1200).ToArbitrary(),
            (noise, at) =>
            {
                var elf = new CraftedElf { Is64 = is64, BigEndian = bigEndian, Pointers = pointers }.ToBytes();
                for (var i = 0; i < noise.Length; i++)
                    elf[at + i] = (byte)noise[i];
                Read(elf);
            });

    [Theory]
    [InlineData(32, 8)]
    [InlineData(40, 8)]
    [InlineData(54, 10)]
    [InlineData(64, 112)]
    [InlineData(0x1050, 16)]
    public void Figures_of_all_ones_are_survived(int at, int count)
    {
        var elf = new CraftedElf { Pointers = true }.ToBytes();
        elf.AsSpan(at, count).Fill(0xff);
        Read(elf);
    }

    private GoBuildInfo? Read(CraftedElf elf) => Read(elf.ToBytes());

    private GoBuildInfo? Read(byte[] content)
    {
        var path = _folder.File("program");
        File.WriteAllBytes(path, content);
        return GoBuildInfo.TryRead(path);
    }
}
