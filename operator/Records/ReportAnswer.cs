namespace Premortem.Operator.Records;

/// <summary>What a sidecar is told.</summary>
/// <param name="Status">The HTTP status: 2xx and 4xx but 401, 403, 408 and 429 are final, everything else is tried again.</param>
/// <param name="Result">One word, for the metric.</param>
/// <param name="Field">Which field is wrong.</param>
/// <param name="Content">What was asked for, as text; null: nothing was.</param>
internal sealed record ReportAnswer(int Status, string Result, string? Detail = null, string? Field = null, TimeSpan? RetryAfter = null, byte[]? Content = null)
{
    public static ReportAnswer Taken { get; } = new(200, "taken");

    /// <summary>It says nothing new: an older report that came late, or one that came twice.</summary>
    public static ReportAnswer Unchanged { get; } = new(200, "unchanged");

    public static ReportAnswer Text(byte[] content) => new(200, "given", Content: content);

    public static ReportAnswer Malformed(string detail) => new(400, "invalid", detail);

    public static ReportAnswer Unauthenticated(string detail) => new(401, "unauthenticated", detail);

    public static ReportAnswer Forbidden(string detail, string? field = null) => new(403, "forbidden", detail, field);

    public static ReportAnswer TooSlow(string detail) => new(408, "too_slow", detail);

    public static ReportAnswer TooLarge(string detail) => new(413, "too_large", detail);

    public static ReportAnswer Invalid(string field, string detail) => new(422, "invalid", detail, field);

    public static ReportAnswer TooMany(TimeSpan retryAfter) => new(429, "rate_limited", "this pod reports too often", RetryAfter: retryAfter);

    public static ReportAnswer Unavailable(string detail, TimeSpan? retryAfter = null) =>
        new(503, "unavailable", detail, RetryAfter: retryAfter ?? TimeSpan.FromSeconds(5));
}
