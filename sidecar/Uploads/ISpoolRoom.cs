namespace Premortem.Sidecar.Uploads;

/// <summary>The room on the spool's disk that a file is counted against while it is written: that of captures, or that of baselines.</summary>
internal interface ISpoolRoom
{
    /// <exception cref="SpoolException">There is not so much left.</exception>
    void Reserve(long bytes);

    void Release(long bytes);
}
