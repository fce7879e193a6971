using System.Buffers.Text;

namespace Premortem.Sidecar.Memory;

/// <summary>
/// The sum of what processes hold resident, from <c>/proc/PID/statm</c>, which any user may read. Pages that several of them share
/// are counted several times: it errs towards too much, never towards too little.
/// </summary>
internal sealed class ProcMemory(string procRoot, Func<IReadOnlyList<int>> pids) : IMemorySource
{
    public string Name => "proc";

    public bool TryRead(out MemoryReading reading)
    {
        long resident = 0, file = 0;
        var any = false;
        foreach (var pid in pids())
        {
            using var statm = KernelFile.TryOpen($"{procRoot}/{pid}/statm");
            if (statm is null || !TryParse(statm.Read(), out var residentPages, out var sharedPages) || residentPages == 0)
                continue;
            any = true;
            resident += residentPages * Environment.SystemPageSize;
            file += sharedPages * Environment.SystemPageSize;
        }
        reading = new MemoryReading(resident, 0, file, null, null);
        return any;
    }

    public void Dispose()
    {
        // Nothing is kept open: processes come and go.
    }

    private static bool TryParse(ReadOnlySpan<byte> statm, out long resident, out long shared)
    {
        resident = shared = 0;
        return Next(ref statm, out _) && Next(ref statm, out resident) && Next(ref statm, out shared);
    }

    private static bool Next(ref ReadOnlySpan<byte> text, out long number)
    {
        if (!Utf8Parser.TryParse(text, out number, out var used))
            return false;
        text = text[used..].TrimStart((byte)' ');
        return true;
    }
}
