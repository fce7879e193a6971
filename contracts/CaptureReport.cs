namespace Premortem.Contracts;

/// <summary>
/// What a sidecar tells the operator of a capture: <c>PUT /v1/captures/{id}</c>, when it begins, and again when it is complete, when it is
/// stored, and when more is known of its end. The last one counts. Whose pod it is comes from the token and never from here.
/// </summary>
/// <param name="Record">The capture as its manifest has it.</param>
/// <param name="Location">The folder's URL: <c>s3://bucket/prefix/…/</c>; null: it is not stored yet.</param>
/// <param name="Request">The <c>ProfileCapture</c> that asked for it; null: a trigger did.</param>
public sealed record CaptureReport(CaptureRecord Record, string? Location, RequestReference? Request)
{
    /// <summary>Counts the reports of one capture from 1: an older one that arrives late changes nothing.</summary>
    public int Sequence { get; init; }
}

public sealed record RequestReference(string Name, string Uid);
