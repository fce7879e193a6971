using System.IO.Compression;
using Microsoft.Diagnostics.Runtime;
using Microsoft.Diagnostics.Tracing;
using Microsoft.Diagnostics.Tracing.Etlx;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Integration.Tests.Captures;

/// <summary>What readers that are not ours find in captures of .NET programs: TraceEvent and ClrMD.</summary>
internal static class Readers
{
    internal static string Unpack(string from, string to)
    {
        using var gzip = new GZipStream(File.OpenRead(from), CompressionMode.Decompress);
        using var file = File.Create(to);
        gzip.CopyTo(file);
        return to;
    }

    /// <summary>The types of a heap, by name.</summary>
    internal static List<TypeRow> TypesIn(string nettrace)
    {
        var sums = new Dictionary<ulong, (long Objects, long Bytes)>();
        var names = new Dictionary<ulong, string>();
        using var source = new EventPipeEventSource(nettrace);
        source.Clr.TypeBulkType += item =>
        {
            for (var i = 0; i < item.Count; i++)
                names[item.Values(i).TypeID] = item.Values(i).TypeName;
        };
        source.Clr.GCBulkNode += item =>
        {
            for (var i = 0; i < item.Count; i++)
            {
                var node = item.Values(i);
                var (objects, bytes) = sums.GetValueOrDefault(node.TypeID);
                sums[node.TypeID] = (objects + 1, bytes + (long)node.Size);
            }
        };
        source.Process();
        return [.. sums
            .GroupBy(sum => names.TryGetValue(sum.Key, out var name) && name.Length > 0 ? name : "(unnamed)")
            .Select(group => new TypeRow(group.Key, group.Sum(sum => sum.Value.Objects), group.Sum(sum => sum.Value.Bytes)))
            .OrderBy(row => row.Name, StringComparer.Ordinal)];
    }

    /// <summary>The methods that stand on the stacks of CPU samples.</summary>
    internal static HashSet<string> MethodsIn(string nettrace)
    {
        var etlx = TraceLog.CreateFromEventPipeDataFile(nettrace, Path.GetTempFileName());
        using var log = TraceLog.OpenOrConvert(etlx);
        var methods = new HashSet<string>();
        foreach (var item in log.Events.Where(item => item.ProviderName == EventPipeProvider.SampleProfiler))
            for (var stack = item.CallStack(); stack is not null; stack = stack.Caller)
                if (stack.CodeAddress.FullMethodName is { Length: > 0 } name)
                    methods.Add(name.Split('(')[0].Split('.')[^1]);
        File.Delete(etlx);
        return methods;
    }

    /// <summary>How many CPU samples of managed code each method ends, and on how many it stands, by its full name.</summary>
    internal static Dictionary<string, (long Flat, long Cum)> SamplesIn(string nettrace)
    {
        const int managed = 2;
        var etlx = TraceLog.CreateFromEventPipeDataFile(nettrace, Path.GetTempFileName());
        using var log = TraceLog.OpenOrConvert(etlx);
        var methods = new Dictionary<string, (long Flat, long Cum)>();
        foreach (var item in log.Events.Where(item => item.ProviderName == EventPipeProvider.SampleProfiler && BitConverter.ToInt32(item.EventData()) == managed))
        {
            var seen = new HashSet<string>();
            for (var stack = item.CallStack(); stack is not null; stack = stack.Caller)
            {
                var name = stack.CodeAddress.FullMethodName is { Length: > 0 } known ? known : "[unknown code]";
                var (flat, cum) = methods.GetValueOrDefault(name);
                methods[name] = (seen.Count == 0 ? flat + 1 : flat, seen.Add(name) ? cum + 1 : cum);
            }
        }
        File.Delete(etlx);
        return methods;
    }

    /// <summary>How many events there are; it throws where it is no stream that ends as one should.</summary>
    internal static int EventsIn(string nettrace)
    {
        using var source = new EventPipeEventSource(nettrace);
        var events = 0;
        source.AllEvents += _ => events++;
        source.Process();
        return events;
    }

    /// <summary>How many objects of a type a dump with heap holds.</summary>
    internal static int ObjectsIn(string dump, string type)
    {
        using var target = DataTarget.LoadDump(dump);
        // What reads the memory of a runtime stands beside it; the service runs on the same as this test. A dump with heap does not hold
        // the version of the library, so that it cannot be compared.
        var access = Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libmscordaccore.so");
        return target.ClrVersions.Single().CreateRuntime(access, ignoreMismatch: true).Heap.EnumerateObjects().Count(item => item.Type?.Name == type);
    }
}
