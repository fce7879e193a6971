using System.Globalization;

namespace Premortem.Sidecar.Targets;

/// <summary>How a process ended, as <c>wait</c> reports it.</summary>
/// <param name="Code">The exit code, where it exited by itself.</param>
/// <param name="Signal">The signal that killed it, where one did.</param>
internal readonly record struct ExitStatus(int? Code, int? Signal)
{
    public const int SigKill = 9;

    public static ExitStatus FromWait(int status) => (status & 0x7f) == 0
        ? new ExitStatus((status >> 8) & 0xff, null)
        : new ExitStatus(null, status & 0x7f);

    public bool IsClean => Code == 0;

    public override string ToString() => Signal is { } signal
        ? string.Create(CultureInfo.InvariantCulture, $"killed by signal {signal}")
        : string.Create(CultureInfo.InvariantCulture, $"exited with code {Code}");
}
