using Premortem.Contracts;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>
/// The commands of one runtime's diagnostics server, each on a connection of its own. The answers are untrusted: bounded in size, and
/// in time by <see cref="AnswerTimeout"/>. See docs/adr for why this is no library's.
/// </summary>
internal sealed class DiagnosticsClient(IDiagnosticsEndpoint endpoint, TimeProvider time) : IDisposable
{
    internal const uint UnknownCommand = 0x80131385;

    /// <summary>How long an answer may take that costs the runtime nothing.</summary>
    internal static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    private const byte DumpSet = 0x01, EventPipeSet = 0x02, ProcessSet = 0x04;
    private const byte GenerateCoreDump2 = 0x02, GenerateCoreDump3 = 0x03;
    private const byte StopTracing = 0x01, CollectTracing2 = 0x03, CollectTracing4 = 0x05;
    private const byte ProcessInfo1 = 0x00, ProcessInfo2 = 0x04;
    private const uint NetTrace = 1;

    public string Address => endpoint.Address;

    public void Dispose() => endpoint.Dispose();

    /// <exception cref="DiagnosticsException">There is no answer, or none that can be understood.</exception>
    public async Task<RuntimeProcessInfo> ReadProcessInfoAsync(CancellationToken ct)
    {
        try
        {
            var answer = await AskAsync(new IpcMessage(ProcessSet, ProcessInfo2), AnswerTimeout, ct);
            var (pid, cookie, commandLine) = (answer.UInt64(), answer.Guid(), answer.Text());
            _ = (answer.Text(), answer.Text());
            return new RuntimeProcessInfo(pid, cookie, commandLine, answer.Text(), answer.Text());
        }
        catch (DiagnosticsException e) when (e.ErrorCode == UnknownCommand)
        {
            var answer = await AskAsync(new IpcMessage(ProcessSet, ProcessInfo1), AnswerTimeout, ct);
            return new RuntimeProcessInfo(answer.UInt64(), answer.Guid(), answer.Text(), null, null);
        }
    }

    /// <summary>Starts a session.</summary>
    /// <param name="bufferMegabytes">The most that events may take inside the runtime while nobody reads them; what does not fit is dropped there.</param>
    /// <param name="rundownKeywords">What the rundown at the end tells, which names methods and types; 0: no rundown.</param>
    /// <param name="withStacks">Whether events carry stacks. Runtimes before .NET 9 always add them.</param>
    /// <param name="walk">How long the runtime may walk its heap, which it does before it answers where a heap snapshot is among the keywords.</param>
    /// <exception cref="DiagnosticsException">There is no answer, or it is a refusal.</exception>
    public async Task<EventPipeSession> StartSessionAsync(
        IReadOnlyList<EventPipeProvider> providers, uint bufferMegabytes, ulong rundownKeywords, bool withStacks, CancellationToken ct, TimeSpan walk = default)
    {
        try
        {
            var message = new IpcMessage(EventPipeSet, CollectTracing4).UInt32(bufferMegabytes).UInt32(NetTrace).UInt64(rundownKeywords).UInt8(withStacks ? (byte)1 : (byte)0);
            return await StartAsync(Add(message, providers), AnswerTimeout + walk, ct);
        }
        catch (DiagnosticsException e) when (e.ErrorCode == UnknownCommand)
        {
            var message = new IpcMessage(EventPipeSet, CollectTracing2).UInt32(bufferMegabytes).UInt32(NetTrace).UInt8(rundownKeywords != 0 ? (byte)1 : (byte)0);
            return await StartAsync(Add(message, providers), AnswerTimeout + walk, ct);
        }
    }

    /// <summary>Has the runtime write a dump of its process.</summary>
    /// <param name="path">Where, in the target's own mount namespace. The file is created by the target's user.</param>
    /// <param name="timeout">How long that may take.</param>
    /// <exception cref="DiagnosticsException">There is no dump; the message is the runtime's where it gives one.</exception>
    public async Task WriteDumpAsync(string path, CaptureVariant kind, TimeSpan timeout, CancellationToken ct)
    {
        uint type = kind switch
        {
            CaptureVariant.HeapDump or CaptureVariant.WithHeapDump => 2,
            CaptureVariant.TriageDump => 3,
            CaptureVariant.FullDump => 4,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "is no dump"),
        };
        try
        {
            await AskAsync(new IpcMessage(DumpSet, GenerateCoreDump3).Text(path).UInt32(type).UInt32(0), timeout, ct);
        }
        catch (DiagnosticsException e) when (e.ErrorCode == UnknownCommand)
        {
            await AskAsync(new IpcMessage(DumpSet, GenerateCoreDump2).Text(path).UInt32(type).UInt32(0), timeout, ct);
        }
    }

    internal Task StopSessionAsync(ulong id, CancellationToken ct) =>
        AskAsync(new IpcMessage(EventPipeSet, StopTracing).UInt64(id), AnswerTimeout, ct);

    private static IpcMessage Add(IpcMessage message, IReadOnlyList<EventPipeProvider> providers)
    {
        message.UInt32((uint)providers.Count);
        foreach (var provider in providers)
            message.UInt64(provider.Keywords).UInt32(provider.Level).Text(provider.Name).Text(provider.Arguments);
        return message;
    }

    private async Task<IpcPayload> AskAsync(IpcMessage message, TimeSpan timeout, CancellationToken ct)
    {
        var (stream, answer) = await ExchangeAsync(message, timeout, ct);
        await stream.DisposeAsync();
        return answer;
    }

    private async Task<EventPipeSession> StartAsync(IpcMessage message, TimeSpan timeout, CancellationToken ct)
    {
        var (stream, answer) = await ExchangeAsync(message, timeout, ct);
        try
        {
            return new EventPipeSession(this, stream, answer.UInt64());
        }
        catch (DiagnosticsException)
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private async Task<(Stream Stream, IpcPayload Answer)> ExchangeAsync(IpcMessage message, TimeSpan timeout, CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        Stream? stream = null;
        try
        {
            stream = await endpoint.ConnectAsync(either.Token);
            await message.SendAsync(stream, either.Token);
            var answer = await IpcMessage.ReadAnswerAsync(stream, either.Token);
            (var open, stream) = (stream, null);
            return (open, answer);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new DiagnosticsException(Reasons.TimedOut, $"{Address} did not answer within {Durations.Format(timeout)}", e);
        }
        catch (Exception e) when (e is IOException)
        {
            throw new DiagnosticsException(Reasons.TargetNotResponding, $"{Address} closed the connection before it answered", e);
        }
        finally
        {
            if (stream is not null)
                await stream.DisposeAsync();
        }
    }
}
