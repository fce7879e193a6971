using Premortem.Contracts;

namespace Premortem.Sidecar.Captures;

/// <summary>Where the captures of one process come from: its <c>net/http/pprof</c>, or its .NET diagnostics port. What comes from it is untrusted.</summary>
internal interface ICaptureSource : IDisposable
{
    /// <summary>The address, for people.</summary>
    string Address { get; }

    /// <summary>Makes ready what can be, so that a capture costs one round trip. Called every few seconds while memory is high.</summary>
    Task WarmAsync(CancellationToken ct);

    /// <summary>Captures by plan and writes to <paramref name="destination"/> as it comes.</summary>
    /// <exception cref="Exception">What <paramref name="destination"/> throws comes as it is; what the target does is a result.</exception>
    Task<CaptureResult> CaptureAsync(PlannedCapture step, Stream destination, CaptureBounds bounds, CancellationToken ct);
}
