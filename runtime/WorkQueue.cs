namespace Premortem.Runtime;

/// <summary>
/// Keys that wait to be worked on. A key is held once, however often it is added; one in work that is added again comes back when it is
/// done, so that no key is ever worked on twice at a time.
/// </summary>
public sealed class WorkQueue<TKey>(Backoff backoff, TimeProvider time)
    where TKey : notnull
{
    public int Count => throw new NotImplementedException($"{backoff} {time}");

    public void Add(TKey key) => throw new NotImplementedException();

    public void AddAfter(TKey key, TimeSpan delay) => throw new NotImplementedException();

    /// <summary>Adds it after a delay that grows with each failure.</summary>
    public void AddFailed(TKey key) => throw new NotImplementedException();

    /// <summary>It succeeded: the next failure is the first again.</summary>
    public void Forget(TKey key) => throw new NotImplementedException();

    public ValueTask<TKey> TakeAsync(CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Every key that was taken has to be given back.</summary>
    public void Done(TKey key) => throw new NotImplementedException();
}
