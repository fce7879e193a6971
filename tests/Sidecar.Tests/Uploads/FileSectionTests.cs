using Premortem.Contracts;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class FileSectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_section_reads_its_own_bytes_and_can_be_read_again()
    {
        var file = SampleFile.Make(_folder, 300_000);
        using var handle = File.OpenHandle(file.Path);
        var taken = 0L;
        using var section = new FileSection(handle, 100_000, 150_000, bytes => taken = bytes);

        foreach (var _ in Enumerable.Range(0, 2))
        {
            section.Position = 0;
            using var copy = new MemoryStream();
            section.CopyTo(copy);
            Assert.Equal(File.ReadAllBytes(file.Path)[100_000..250_000], copy.ToArray());
            Assert.Equal(150_000, taken);
        }
    }

    [Fact]
    public void A_file_that_shrinks_meanwhile_is_no_end_of_the_section()
    {
        var file = SampleFile.Make(_folder, 1000);
        using var handle = File.OpenHandle(file.Path);
        using var section = new FileSection(handle, 0, 2000);

        var failure = Assert.Throws<StoreException>(() => section.CopyTo(Stream.Null));

        Assert.Equal(Reasons.ContentMismatch, failure.Reason);
    }
}
