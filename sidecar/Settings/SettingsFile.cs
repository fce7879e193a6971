using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Settings;

/// <summary>
/// Settings in a file that somebody else replaces: the kubelet, which exchanges a link to the folder that the file is in. What cannot be read
/// changes nothing: the last that could be is followed on.
/// </summary>
/// <param name="read">Makes settings of a text, or says what is wrong with it.</param>
internal sealed class SettingsFile(string path, Func<string, (FollowedSettings? Settings, string? Error, IReadOnlyList<string> Warnings)> read, ILogger<SettingsFile> log) : ISettingsSource
{
    private const int MaxBytes = 1 << 20;

    /// <summary>A file system may be too coarse to show in its times that something was written.</summary>
    private const int LooksBetweenReads = 30;

    private (DateTime WrittenAt, long Length)? _seen;
    private string? _text;
    private string? _toldError;

    /// <summary>What is wrong with <see cref="_text"/>; null: nothing.</summary>
    private string? _rejected;
    private int _looks;
    private Task _reading = Task.CompletedTask;
    private volatile FollowedSettings? _newest;
    private volatile string? _error;

    public FollowedSettings? Newest => _newest;

    public string? Error => _error;

    public void Look(Action changed)
    {
        if (!_reading.IsCompleted)
            return;
        if (Mark() is var mark && mark == _seen && ++_looks < LooksBetweenReads)
            return;
        (_seen, _looks) = (mark, 0);
        // A large one takes milliseconds to understand, which the loop does not have.
        _reading = Task.Run(() =>
        {
            if (Read())
                changed();
        });
    }

    /// <summary>Reads what there is now. True where something has changed: the settings, or what is wrong with them.</summary>
    internal bool Read()
    {
        var error = Text(out var text);
        // What could not be read for a moment is again what is followed, or again what cannot be.
        if (error is null && text == _text)
            return Say(_rejected);
        FollowedSettings? settings = null;
        if (error is null)
        {
            _text = text;
            (settings, error, var warnings) = Understand(text);
            _rejected = error;
            foreach (var warning in warnings)
                Log.SettingsWarning(log, warning);
        }
        if (settings is not null)
        {
            _newest = settings;
            Log.SettingsTaken(log, settings.Revision ?? "", settings.Policies.Count == 0 ? "no policy: nothing is watched" : string.Join(", ", settings.Policies.Select(policy => policy.Namespace is null ? policy.Name : $"{policy.Namespace}/{policy.Name}")));
        }
        return Say(error) || settings is not null;
    }

    private bool Say(string? error)
    {
        var isNews = error != _error;
        _error = error;
        // Once each: a file that is read every half minute would otherwise say so every half minute.
        if (error is not null && error != _toldError)
        {
            if (_newest is null)
                Log.SettingsAwaited(log, path, error);
            else
                Log.SettingsInvalid(log, path, error);
        }
        _toldError = error;
        return isNews;
    }

    private (FollowedSettings? Settings, string? Error, IReadOnlyList<string> Warnings) Understand(string text)
    {
        try
        {
            return read(text);
        }
#pragma warning disable CA1031 // Whatever is wrong with a text from elsewhere, the watch goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return (null, e.Message, []);
        }
    }

    private (DateTime WrittenAt, long Length)? Mark()
    {
        try
        {
            // Opened, because links are to be followed: the name itself never changes.
            using var file = Open();
            return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <returns>Why there is no text; null: there is.</returns>
    private string? Text(out string text)
    {
        text = "";
        try
        {
            using var file = Open();
            var bytes = new byte[Math.Min(RandomAccess.GetLength(file), MaxBytes) + 1];
            int length = 0, n;
            while (length < bytes.Length && (n = RandomAccess.Read(file, bytes.AsSpan(length), length)) > 0)
                length += n;
            if (length > MaxBytes)
                return $"is larger than {MaxBytes} bytes";
            text = Encoding.UTF8.GetString(bytes, 0, length).Trim();
            return text.Length == 0 ? $"is empty: the pod has no annotation {Names.ConfigAnnotation}" : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot be read: {e.Message}";
        }
    }

    private SafeFileHandle Open() => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
}
