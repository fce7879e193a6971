namespace Premortem.Runtime.Admission;

/// <summary>What came is no AdmissionReview; the message says what of it is wrong.</summary>
public sealed class MalformedReviewException(string message) : Exception(message);
