using System.Text.Json;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class StatusPatchTests
{
    private static readonly DateTimeOffset Then = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private sealed record Status(int? Count = null, Status? Inner = null, IReadOnlyList<string>? Names = null, DateTimeOffset? At = null);

    private sealed record Condition(string Type, string Status, string Reason, DateTimeOffset? LastTransitionTime = null) : ICondition<Condition>
    {
        public Condition Since(DateTimeOffset lastTransitionTime) => this with { LastTransitionTime = lastTransitionTime };
    }

    [Fact]
    public void Nothing_is_written_where_nothing_differs() =>
        Assert.Null(StatusPatch.Between(
            new Status(1, new Status(2), ["a"], Then), new Status(1, new Status(2), ["a"], Then.AddMilliseconds(300).ToOffset(TimeSpan.FromHours(2)))));

    [Fact]
    public void Only_what_differs_is_written_and_what_is_gone_is_removed() => Assert.Equal(
        """{"status":{"names":null,"count":2,"inner":{"at":null,"count":3}}}""",
        Body(StatusPatch.Between(new Status(1, new Status(2, At: Then), ["a"], Then), new Status(2, new Status(3), At: Then))));

    [Fact]
    public void A_first_status_is_written_whole_with_the_version_it_was_decided_on() => Assert.Equal(
        """{"status":{"count":0,"names":["a"]},"metadata":{"resourceVersion":"7"}}""", Body(StatusPatch.Between(null, new Status(0, Names: ["a"]), "7")));

    [Fact]
    public void A_condition_keeps_its_time_while_its_status_stays()
    {
        var merged = Conditions.Merge(
            [new Condition("Ready", "True", "Fine", Then), new Condition("Injecting", "False", "No", Then), new Condition("Foreign", "True", "Theirs", Then)],
            [new Condition("Injecting", "True", "Now"), new Condition("Ready", "True", "StillFine"), new Condition("New", "False", "First")],
            Then.AddHours(1));
        Assert.Equal(
            [
                new Condition("Injecting", "True", "Now", Then.AddHours(1)),
                new Condition("Ready", "True", "StillFine", Then),
                new Condition("New", "False", "First", Then.AddHours(1)),
                new Condition("Foreign", "True", "Theirs", Then),
            ],
            merged);
    }

    private static string Body(ResourcePatch.Merge? patch) => JsonSerializer.Serialize(patch!.Body, ResourceJson.Options);
}
