using System.Globalization;
using System.Text.Json.Nodes;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Policies;

/// <summary>What a policy's status says. Pure.</summary>
internal static class PolicyStatusRules
{
    public const string Ready = nameof(Ready);
    public const string Injecting = nameof(Injecting);
    public const string StorageReachable = nameof(StorageReachable);
    public const string SettingsApplied = nameof(SettingsApplied);

    private const string True = nameof(True);
    private const string False = nameof(False);
    private const string Unknown = nameof(Unknown);
    private const int MaxMessage = 1024;
    private const int MaxProblems = 20;

    /// <param name="old">What stands there now: a condition keeps its time where it has not turned.</param>
    public static PolicyStatus Build(PolicyView policy, PolicyTally tally, CaptureFigures captures, PolicyStatus? old, DateTimeOffset now)
    {
        // The API has whole seconds: what is finer would never be equal to what comes back.
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
        Condition[] conditions = [ReadyOf(policy), InjectingOf(policy, tally), StorageOf(tally), SettingsOf(policy, tally)];
        return new PolicyStatus
        {
            ObservedGeneration = policy.Generation,
            MatchedPods = tally.Matched,
            InjectedPods = tally.Injected,
            MissedPods = tally.Missed,
            Captures = captures.Count,
            LastCaptureTime = captures.Last,
            Conditions =
            [
                .. conditions.Select(condition => condition with
                {
                    Message = condition.Message.Length > MaxMessage ? condition.Message[..(MaxMessage - 1)] + "…" : condition.Message,
                    ObservedGeneration = policy.Generation,
                    LastTransitionTime = old?.Conditions?.FirstOrDefault(before => before.Type == condition.Type) is { } before && before.Status == condition.Status
                        ? before.LastTransitionTime ?? now
                        : now,
                }),
            ],
        };
    }

    /// <summary>The patch that makes one of the other; null: they are equal.</summary>
    public static JsonObject? Patch(PolicyStatus? old, PolicyStatus status)
    {
        var before = old is null ? null : Json(old);
        var after = Json(status);
        if (JsonNode.DeepEquals(before, after))
            return null;
        // What a merge patch does not name stays.
        foreach (var (field, _) in before ?? [])
            if (!after.ContainsKey(field))
                after[field] = null;
        return new JsonObject { ["status"] = after };
    }

    private static JsonObject Json(PolicyStatus status) => System.Text.Json.JsonSerializer.SerializeToNode(status, Runtime.ResourceJson.Options)!.AsObject();

    private static Condition ReadyOf(PolicyView policy) => policy.IsValid
        ? new Condition(Ready, True, PolicyReasons.Valid, "The policy is in force.")
        : new Condition(Ready, False, PolicyReasons.Invalid, $"{Problems(policy)} Pods that have a sidecar keep the last settings that were right; new pods get none by this policy.");

    private static string Problems(PolicyView policy)
    {
        var errors = policy.Reading.Errors;
        var shown = string.Join("; ", errors.Take(MaxProblems).Select(error => $"{error.Path} {error.Message}"));
        return errors.Count > MaxProblems ? $"{shown}; and {errors.Count - MaxProblems} more." : $"{shown}.";
    }

    private static Condition InjectingOf(PolicyView policy, PolicyTally tally)
    {
        if (!policy.IsValid)
            return new Condition(Injecting, False, SkipReasons.InvalidPolicy, "The policy is not valid: see Ready.");
        if (tally.Matched == 0)
            return new Condition(Injecting, Unknown, PolicyReasons.NoPods, "No pod matches the selector.");
        // Who opts out wants it so.
        if (tally.Missed.FirstOrDefault(missed => missed.Reason != SkipReasons.OptedOut) is not { } most)
            return new Condition(Injecting, True, PolicyReasons.AllInjected, $"{Of(tally.Injected, tally.Matched)} {Have(tally.Injected)} the sidecar.");
        var reasons = string.Join(", ", tally.Missed.Select(missed => string.Create(CultureInfo.InvariantCulture, $"{missed.Count} {missed.Reason} ({string.Join(", ", missed.Examples)}{(missed.Count > missed.Examples.Count ? ", …" : "")})")));
        var advice = most.Reason == SkipReasons.NotSeen ? " Pods that are older than the policy, or were made while no operator answered, get it when they are made anew: kubectl rollout restart." : "";
        return new Condition(Injecting, False, most.Reason, $"{Of(tally.Injected, tally.Matched)} {Have(tally.Injected)} the sidecar; without: {reasons}.{advice}");
    }

    private static Condition StorageOf(PolicyTally tally)
    {
        if (tally.StorageProblems is [var most, ..])
        {
            var others = tally.StorageProblems.Skip(1).Sum(problem => problem.Count);
            return new Condition(StorageReachable, False, most.Reason, string.Create(
                CultureInfo.InvariantCulture,
                $"{most.Count + others} of {tally.Injected} sidecars cannot store: {most.Reason} {most.Count}{string.Concat(tally.StorageProblems.Skip(1).Select(problem => $", {problem.Reason} {problem.Count}"))}; {most.Example} says: {most.Message}"));
        }
        return tally.StorageReached > 0
            ? new Condition(StorageReachable, True, PolicyReasons.Reachable, "No sidecar says that it cannot store.")
            : new Condition(StorageReachable, Unknown, PolicyReasons.NotReported, "No sidecar has tried yet.");
    }

    private static Condition SettingsOf(PolicyView policy, PolicyTally tally)
    {
        if (tally.Refused is { } refused)
            return new Condition(SettingsApplied, False, PolicyReasons.Refused, $"{Of(refused.Count, tally.Injected)} refuse their settings; {refused.Example} says: {refused.Message}");
        if (!policy.IsValid)
            return new Condition(SettingsApplied, False, PolicyReasons.Invalid, "The last settings that were right stay in force.");
        if (tally.Behind is { } behind)
            return new Condition(SettingsApplied, False, PolicyReasons.Behind, $"{Of(behind.Count, tally.Injected)} do not follow the newest settings yet, {behind.Example} for one.");
        return tally.Reported > 0
            ? new Condition(SettingsApplied, True, PolicyReasons.Applied, "Every sidecar that reports follows the newest settings.")
            : new Condition(SettingsApplied, Unknown, tally.Injected == 0 ? PolicyReasons.NoPods : PolicyReasons.NotReported, "No sidecar has reported yet.");
    }

    private static string Of(int some, int all) => string.Create(CultureInfo.InvariantCulture, $"{some} of {all} pods");

    private static string Have(int count) => count == 1 ? "has" : "have";
}

/// <summary>What is known of a policy's captures.</summary>
internal readonly record struct CaptureFigures(long Count, DateTimeOffset? Last);
