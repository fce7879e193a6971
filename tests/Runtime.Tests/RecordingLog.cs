using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Tests;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLog : ILogger
{
    public ConcurrentQueue<(int Id, LogLevel Level, string Line)> Lines { get; } = new();

    public int Count(int id) => Lines.Count(line => line.Id == id);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue((eventId.Id, logLevel, $"{formatter(state, exception)} {exception?.Message}"));
}
