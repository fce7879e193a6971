using System.Net;
using Microsoft.Extensions.Time.Testing;
using Premortem.Operator.Records;
using Premortem.Runtime;
using Prometheus;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class TokenReviewsTests
{
    private const string Token = "aaa.bbb.ccc";

    private readonly FakeTimeProvider _time = new(A.Now);
    private int _asked;

    internal static TokenReviewStatus GoodStatus(string pod = "checkout-7d9f-x2x", string uid = A.PodUid) => new()
    {
        Authenticated = true,
        Audiences = ["premortem.dev"],
        User = new TokenReviewUser
        {
            Username = "system:serviceaccount:shop:checkout",
            Extra = new Dictionary<string, IReadOnlyList<string>>
            {
                ["authentication.kubernetes.io/pod-name"] = [pod],
                ["authentication.kubernetes.io/pod-uid"] = [uid],
            },
        },
    };

    [Fact]
    public void The_pod_is_who_the_token_is_bound_to() =>
        Assert.Equal(new PodIdentity("shop", "checkout-7d9f-x2x", A.PodUid), Assert.IsType<TokenVerdict.Good>(TokenVerdict.Of(GoodStatus())).Pod);

    [Fact]
    public void A_token_that_the_server_does_not_accept_is_nobodys()
    {
        Assert.IsType<TokenVerdict.Unauthenticated>(TokenVerdict.Of(null));
        Assert.IsType<TokenVerdict.Unauthenticated>(TokenVerdict.Of(GoodStatus() with { Authenticated = false }));
    }

    [Fact]
    public void A_token_for_another_audience_is_nobodys()
    {
        Assert.IsType<TokenVerdict.Unauthenticated>(TokenVerdict.Of(GoodStatus() with { Audiences = ["https://kubernetes.default.svc"] }));
        // As an authenticator answers that has never heard of audiences.
        Assert.IsType<TokenVerdict.Unauthenticated>(TokenVerdict.Of(GoodStatus() with { Audiences = null }));
    }

    [Fact]
    public void Only_a_service_account_bound_to_a_pod_may_report()
    {
        var good = GoodStatus();
        foreach (var user in new[] { "admin", "system:node:n", "system:serviceaccount:", "system:serviceaccount:shop", "system:serviceaccount::x", "system:serviceaccount:a:b:c", "" })
            Assert.IsType<TokenVerdict.Forbidden>(TokenVerdict.Of(good with { User = good.User! with { Username = user } }));
        foreach (var missing in good.User!.Extra!.Keys)
        {
            var extra = good.User.Extra.Where(pair => pair.Key != missing).ToDictionary();
            Assert.IsType<TokenVerdict.Forbidden>(TokenVerdict.Of(good with { User = good.User with { Extra = extra } }));
            extra[missing] = ["one", "two"];
            Assert.IsType<TokenVerdict.Forbidden>(TokenVerdict.Of(good with { User = good.User with { Extra = extra } }));
        }
        Assert.IsType<TokenVerdict.Forbidden>(TokenVerdict.Of(good with { User = null }));
    }

    [Fact]
    public async Task A_good_token_is_asked_about_once_a_minute()
    {
        using var reviews = Reviews(() => GoodStatus());
        for (var i = 0; i < 10; i++)
            Assert.IsType<TokenVerdict.Good>(await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken));
        Assert.Equal(1, _asked);
        _time.Advance(TimeSpan.FromSeconds(61));
        await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken);
        Assert.Equal(2, _asked);
    }

    [Fact]
    public async Task A_bad_token_is_remembered_for_ten_seconds_and_no_token_stands_for_another()
    {
        using var reviews = Reviews(() => null);
        Assert.IsType<TokenVerdict.Unauthenticated>(await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken));
        await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken);
        Assert.Equal(1, _asked);
        await reviews.ReviewAsync("aaa.bbb.ddd", TestContext.Current.CancellationToken);
        Assert.Equal(2, _asked);
        _time.Advance(TimeSpan.FromSeconds(11));
        await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken);
        Assert.Equal(3, _asked);
    }

    [Fact]
    public async Task A_server_that_cannot_say_is_asked_again()
    {
        var isUp = false;
        using var reviews = Reviews(() => isUp ? GoodStatus() : throw new ApiException(HttpStatusCode.InternalServerError, null, "etcd is away"));
        Assert.IsType<TokenVerdict.Unavailable>(await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken));
        isUp = true;
        Assert.IsType<TokenVerdict.Good>(await reviews.ReviewAsync(Token, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_given_up_after_a_while()
    {
        using var reviews = new TokenReviews(
            async (_, ct) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, _time, ct);
                return null;
            },
            new RecordMetrics(Metrics.WithCustomRegistry(Metrics.NewCustomRegistry())),
            _time);
        var review = reviews.ReviewAsync(Token, TestContext.Current.CancellationToken);
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.IsType<TokenVerdict.Unavailable>(await review);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("a.b.c.d")]
    [InlineData("a.b c.d")]
    [InlineData("a.b.\u00e9")]
    public async Task What_is_no_token_is_not_asked_about(string token)
    {
        using var reviews = Reviews(() => GoodStatus());
        Assert.IsType<TokenVerdict.Unauthenticated>(await reviews.ReviewAsync(token, TestContext.Current.CancellationToken));
        Assert.Equal(0, _asked);
    }

    [Fact]
    public void What_is_remembered_is_bounded_and_the_least_used_goes_first()
    {
        var cache = new BoundedCache<int, string>(3, _time);
        for (var i = 0; i < 3; i++)
            cache.Set(i, $"{i}", TimeSpan.FromMinutes(1));
        Assert.True(cache.TryGet(0, out _));
        cache.Set(3, "3", TimeSpan.FromMinutes(1));
        Assert.Equal(3, cache.Count);
        Assert.True(cache.TryGet(0, out _));
        Assert.False(cache.TryGet(1, out _));
        cache.Set(2, "again", TimeSpan.FromMinutes(1));
        Assert.True(cache.TryGet(2, out var value));
        Assert.Equal("again", value);
    }

    [Fact]
    public void A_pod_may_do_so_much_at_once_and_so_much_a_second_and_no_pod_spends_what_is_anothers()
    {
        var rates = new PodRates(perSecond: 10, burst: 50, pods: 100, _time);
        for (var i = 0; i < 50; i++)
            Assert.Null(rates.Take("a"));
        Assert.InRange(rates.Take("a")!.Value.TotalSeconds, 0.05, 0.1);
        Assert.Null(rates.Take("b"));
        _time.Advance(TimeSpan.FromSeconds(0.5));
        for (var i = 0; i < 5; i++)
            Assert.Null(rates.Take("a"));
        Assert.NotNull(rates.Take("a"));
    }

    private TokenReviews Reviews(Func<TokenReviewStatus?> answer) => new(
        (_, _) =>
        {
            _asked++;
            return Task.FromResult(answer());
        },
        new RecordMetrics(Metrics.WithCustomRegistry(Metrics.NewCustomRegistry())),
        _time);
}
