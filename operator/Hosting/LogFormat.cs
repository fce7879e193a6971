namespace Premortem.Operator.Hosting;

internal enum LogFormat
{
    /// <summary>Text at a terminal, JSON elsewhere.</summary>
    Auto,
    Text,
    Json,
}
