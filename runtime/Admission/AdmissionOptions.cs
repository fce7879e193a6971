namespace Premortem.Runtime.Admission;

public sealed record AdmissionOptions
{
    /// <summary>From the first byte of the request to the answer. Less than the <c>timeoutSeconds</c> of the webhook configuration.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A longer body is answered with 413. The API server's own bound of a request is 3 MiB.</summary>
    public int MaxBodyBytes { get; init; } = 3 * 1024 * 1024;

    /// <summary>What users read in front of the warning that it failed.</summary>
    public string Name { get; init; } = "webhook";

    /// <summary>
    /// Told of everything that went wrong: an error or the deadline in deciding, where the request was let through; with no request, a body that is
    /// none. Called before the answer.
    /// </summary>
    public Action<AdmissionRequest?, Exception>? OnError { get; init; }

    /// <summary>Told of each answer, failed ones too, and how long it took.</summary>
    public Action<AdmissionRequest, AdmissionAnswer, TimeSpan>? OnAnswered { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
