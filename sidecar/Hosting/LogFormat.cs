namespace Premortem.Sidecar.Hosting;

internal enum LogFormat
{
    /// <summary>Text at a terminal, JSON elsewhere.</summary>
    Auto,
    Text,
    Json,
}
