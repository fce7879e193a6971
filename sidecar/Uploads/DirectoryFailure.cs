using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>What an error of the file system means for a store in a folder, and what to do about it.</summary>
internal static class DirectoryFailure
{
    private const int NotPermitted = 1, IoError = 5, AccessDenied = 13, NotAFolder = 20, NoSpace = 28, ReadOnly = 30, StaleHandle = 116, QuotaExceeded = 122;

    internal static StoreException Explain(string root, Exception error)
    {
        // On Linux, .NET gives the errno as HResult, except for the errors that have exceptions of their own.
        var errno = error is UnauthorizedAccessException ? (error.InnerException?.HResult ?? AccessDenied) : error.HResult;
        return errno switch
        {
            NoSpace or QuotaExceeded => Because(
                Reasons.DiskFull, $"the disk of '{root}' is full: free some space, or give the volume more", isTransient: true),
            ReadOnly => Because(
                Reasons.AccessDenied, $"'{root}' is read-only: mount the volume writable, or name another path in spec.storage.directory", isTransient: false),
            AccessDenied or NotPermitted => Because(
                Reasons.AccessDenied,
                $"'{root}' may not be written by the sidecar's user: change its owner or mode, or set the pod's fsGroup",
                isTransient: false),
            NotAFolder => Because(
                Reasons.StoreRefused, $"a part of '{root}' or of the key below it is a file, not a folder ({error.Message})", isTransient: false),
            IoError or StaleHandle => Because(
                Reasons.StoreUnreachable, $"the disk of '{root}' does not answer as it should ({error.Message})", isTransient: true),
            _ => Because(Reasons.StoreRefused, $"'{root}' cannot be written: {error.Message}", isTransient: false),
        };

        StoreException Because(string reason, string message, bool isTransient) => new(reason, message, isTransient, error);
    }
}
