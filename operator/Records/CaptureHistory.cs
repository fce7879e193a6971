using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>
/// Which records of a namespace are too many. A policy's own limit counts in each namespace for itself; the records of policies that are gone, and
/// of none, share the default. Pure.
/// </summary>
internal static class CaptureHistory
{
    public const int DefaultLimit = Contracts.Policies.ProfilePolicySpec.DefaultHistoryLimit;

    private static readonly TimeSpan RequestsStay = TimeSpan.FromDays(1);

    /// <param name="captures">All of one namespace.</param>
    /// <param name="limitOf">The limit of a policy; null: there is no such policy.</param>
    /// <returns>The oldest first.</returns>
    public static IReadOnlyList<ProfileCapture> TooMany(IReadOnlyList<ProfileCapture> captures, Func<PolicyKey, int?> limitOf, DateTimeOffset now)
    {
        var tooMany = new List<ProfileCapture>();
        foreach (var group in captures.Where(CaptureRecords.HasEnded).GroupBy(capture => PolicyKey.Of(capture) is { } policy && limitOf(policy) is not null ? policy : (PolicyKey?)null))
        {
            var limit = group.Key is { } policy ? limitOf(policy) ?? DefaultLimit : DefaultLimit;
            tooMany.AddRange(group
                .OrderByDescending(EndedAt)
                .ThenByDescending(capture => capture.Metadata.Name, StringComparer.Ordinal)
                .Skip(limit)
                // Whoever asked for it has a day to look at it.
                .Where(capture => !CaptureRecords.IsRequest(capture) || now - capture.Metadata.CreationTimestamp >= RequestsStay));
        }
        return [.. tooMany.OrderBy(EndedAt).ThenBy(capture => capture.Metadata.Name, StringComparer.Ordinal)];
    }

    private static DateTimeOffset? EndedAt(ProfileCapture capture) => capture.Status?.CompletedAt ?? capture.Metadata.CreationTimestamp;
}
