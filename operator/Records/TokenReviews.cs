using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// Whose token it is, asked of the API server and remembered for a moment: a good one for a minute, in which a deleted pod may
/// still report, a bad one for ten seconds. Tokens are remembered by their hash alone.
/// </summary>
/// <param name="review">Has the API server review one token.</param>
internal sealed class TokenReviews(Func<string, CancellationToken, Task<TokenReviewStatus?>> review, RecordMetrics metrics, TimeProvider time) : IDisposable
{
    private const int MaxTokens = 20_000;
    private const int MaxTokenLength = 16 * 1024;
    private const int AtOnce = 16;

    private static readonly SearchValues<char> TokenCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    private static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BadFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly BoundedCache<string, TokenVerdict> _verdicts = new(MaxTokens, time);

    // Strangers can make up tokens as fast as they like; the API server is not to hear all of them.
    private readonly SemaphoreSlim _turns = new(AtOnce, AtOnce);

    public async Task<TokenVerdict> ReviewAsync(string token, CancellationToken ct)
    {
        // What is no signed token needs no question.
        if (token.Length is 0 or > MaxTokenLength || token.AsSpan().Count('.') != 2 || token.AsSpan().ContainsAnyExcept(TokenCharacters))
            return new TokenVerdict.Unauthenticated("the token is no service account's: it has to be the content of the projected token file");
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(token)));
        if (_verdicts.TryGet(hash, out var known))
        {
            metrics.TokenReviewed("cached");
            return known;
        }
        var verdict = await AskAsync(token, ct);
        metrics.TokenReviewed(verdict switch
        {
            TokenVerdict.Good => "good",
            TokenVerdict.Forbidden => "forbidden",
            TokenVerdict.Unavailable => "unavailable",
            _ => "unauthenticated",
        });
        if (verdict is not TokenVerdict.Unavailable)
            _verdicts.Set(hash, verdict, verdict is TokenVerdict.Good ? GoodFor : BadFor);
        return verdict;
    }

    public void Dispose() => _turns.Dispose();

    private async Task<TokenVerdict> AskAsync(string token, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            await _turns.WaitAsync(either.Token);
            try
            {
                return TokenVerdict.Of(await review(token, either.Token));
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (ApiException e)
        {
            return new TokenVerdict.Unavailable($"the API server did not review the token: {e.Message}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new TokenVerdict.Unavailable("the API server did not review the token in time");
        }
    }
}
