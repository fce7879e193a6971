using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>What is known of a target's captures at one moment.</summary>
internal sealed record MeasuredCosts
{
    public static MeasuredCosts None { get; } = new();

    public IReadOnlyDictionary<(CaptureType Type, CaptureVariant? Variant), MeasuredCost> Captures { get; init; } =
        new Dictionary<(CaptureType, CaptureVariant?), MeasuredCost>();

    /// <summary>The objects that the last whole snapshot counted; null: there was none.</summary>
    public long? Objects { get; init; }

    /// <summary>What those objects held.</summary>
    public long? ObjectBytes { get; init; }

    public MeasuredCost? Of(CaptureType type, CaptureVariant? variant = null) => Captures.GetValueOrDefault((type, variant));
}
