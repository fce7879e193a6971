using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Replays;

namespace Premortem.Sidecar.Hosting;

/// <summary><c>premortem-sidecar replay</c>: what the triggers of a policy would have made of what memory did.</summary>
internal sealed class ReplayCommand(string csvFile, string policyFile, long? limitBytes, ReplayFormat format)
{
    public int Run(Stream output)
    {
        var reading = PolicyFile.Read(policyFile);
        foreach (var warning in reading.Warnings)
            Console.Error.WriteLine($"{policyFile}: warning: {warning}");
        foreach (var error in reading.Errors)
            Console.Error.WriteLine($"{policyFile}: {error}");
        if (reading.Policy is not { } policy)
            return ExitCodes.Usage;
        try
        {
            using var csv = csvFile == "-" ? Console.OpenStandardInput() : new FileStream(csvFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            using IReplayReport report = format == ReplayFormat.Json ? new ReplayJson(output, csvFile, policy) : new ReplayText(output);
            new MemoryReplay(policy, limitBytes).Play(csv, report);
            return ExitCodes.Done;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MemoryCsvException)
        {
            Console.Error.WriteLine($"{csvFile}: {e.Message}");
            return ExitCodes.Usage;
        }
    }
}
