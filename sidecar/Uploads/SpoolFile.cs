using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// An artifact that is being written: hashed as it comes, counted against the spool's capacity, synced in pieces so that its pages
/// do not fill this container's page cache. It gets its name when it is whole.
/// </summary>
internal sealed class SpoolFile : Stream
{
    private const string PartSuffix = ".part";
    private const long PieceBytes = 4 << 20;

    private readonly ISpoolRoom _room;
    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _length;
    private long _synced;
    private bool _isComplete;

    internal SpoolFile(ISpoolRoom room, string path)
    {
        _room = room;
        _path = path;
        try
        {
            _handle = File.OpenHandle(path + PartSuffix, FileMode.Create, FileAccess.Write);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Spool.Failed(e);
        }
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position { get => _length; set => throw new NotSupportedException(); }

    public static bool IsPart(string path) => path.EndsWith(PartSuffix, StringComparison.Ordinal);

    /// <summary>Opens what is whole, to send it on.</summary>
    /// <exception cref="StoreException">It is not there or cannot be read.</exception>
    public static SafeFileHandle Open(string path)
    {
        try
        {
            var file = File.OpenHandle(path);
            DiskSync.ReadNoFurther(file);
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(Reasons.Unexpected, $"'{path}' cannot be read from the spool: {e.Message}", isTransient: false, e);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _room.Reserve(buffer.Length);
        try
        {
            RandomAccess.Write(_handle, buffer, _length);
        }
        catch (IOException e)
        {
            _room.Release(buffer.Length);
            throw Spool.Failed(e);
        }
        _hash.AppendData(buffer);
        _length += buffer.Length;
        if (_length - _synced >= PieceBytes)
            Sync();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    public override void Flush()
    {
        // Nothing is buffered.
    }

    /// <summary>Makes the file whole and durable, and returns the hex of its SHA-256.</summary>
    public string Complete()
    {
        try
        {
            Sync();
            _handle.Dispose();
            File.Move(_path + PartSuffix, _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Spool.Failed(e);
        }
        _isComplete = true;
        return Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hash.Dispose();
            _handle.Dispose();
            if (!_isComplete)
            {
                // What is not whole is worth nothing, and its room is.
                File.Delete(_path + PartSuffix);
                _room.Release(_length);
                _length = 0;
                _isComplete = true;
            }
        }
        base.Dispose(disposing);
    }

    private void Sync()
    {
        RandomAccess.FlushToDisk(_handle);
        DiskSync.DropPageCache(_handle, _synced, _length - _synced);
        _synced = _length;
    }
}
