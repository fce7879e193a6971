using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Amazon.S3;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// What an error of an S3 call means and what a person can do about it. Decides on status and code, never on a message's text; a message names
/// bucket, host and the server's code, and nothing that was signed or sent.
/// </summary>
internal static class S3Failure
{
    /// <param name="action">What was tried, as in "cannot …".</param>
    /// <param name="where">The bucket and its server, for a person.</param>
    internal static StoreException Explain(string action, string where, Exception error)
    {
        foreach (var inner in Chain(error))
            switch (inner)
            {
                case StoreException known:
                    return known;
                case AmazonServiceException { StatusCode: not 0 } answer:
                    return ExplainAnswer(action, where, answer);
                case AuthenticationException:
                    return Because(
                        Reasons.StoreUnreachable,
                        "the TLS handshake failed: is the endpoint's scheme https by mistake, or its certificate's authority unknown here?",
                        isTransient: false);
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return Because(Reasons.StoreUnreachable, "its name does not resolve: check spec.storage.s3.endpoint, and DNS", isTransient: true);
                case SocketException refused:
                    return Because(Reasons.StoreUnreachable, $"the connection failed ({refused.SocketErrorCode}): if it goes on, check spec.storage.s3.endpoint and network policies", isTransient: true);
            }
        return error switch
        {
            OperationCanceledException or TimeoutException => Because(Reasons.StoreUnreachable, "it took nothing and said nothing for too long", isTransient: true),
            HttpRequestException or IOException => Because(Reasons.StoreUnreachable, "the connection broke off: if it goes on, check whether the endpoint's scheme has to be https", isTransient: true),
            AmazonServiceException or AmazonClientException => Because(Reasons.StoreRefused, error.Message, isTransient: false),
            _ => Because(Reasons.Unexpected, $"{error.GetType().Name}: {error.Message}", isTransient: false),
        };

        StoreException Because(string reason, string detail, bool isTransient) => new(reason, $"cannot {action} {where}: {detail}", isTransient, error);
    }

    private static StoreException ExplainAnswer(string action, string where, AmazonServiceException answer)
    {
        var status = (int)answer.StatusCode;
        var code = Printable(answer.ErrorCode, 60);
        var said = code.Length == 0 || code == answer.StatusCode.ToString() ? $"{status}" : $"{status} {code}";
        var (reason, advice, isTransient) = (code, answer.StatusCode) switch
        {
            ("NoSuchBucket", _) => (Reasons.BucketNotFound, "there is no such bucket: create it, or correct spec.storage.s3.bucket", false),
            ("InvalidAccessKeyId", _) => (Reasons.AccessDenied, "the server does not know this access key: check accessKeyId", false),
            ("SignatureDoesNotMatch", _) => (Reasons.AccessDenied, "the secret does not fit the access key: check secretAccessKey", false),
            ("ExpiredToken" or "TokenRefreshRequired" or "RequestExpired", _) =>
                (Reasons.AccessDenied, "the session token has expired: renew the credentials", false),
            ("InvalidToken" or "InvalidClientTokenId", _) => (Reasons.AccessDenied, "the session token does not fit the access key: check sessionToken", false),
            ("RequestTimeTooSkewed", _) => (Reasons.StoreRefused, "the clocks of this machine and the server differ by more than 15 minutes: set the wrong one", true),
            ("BadDigest" or "InvalidDigest" or "XAmzContentSHA256Mismatch", _) =>
                (Reasons.ContentMismatch, "what arrived is not what was sent", true),
            ("NoSuchUpload", _) => (Reasons.StoreRefused, "the multipart upload is gone: somebody, or a lifecycle rule, has aborted it", true),
            ("InvalidPart" or "InvalidPartOrder", _) => (Reasons.ContentMismatch, "the server does not find the parts that it took", true),
            ("QuotaExceeded", _) => (Reasons.StoreRefused, "the quota is used up: delete captures, or raise it", true),
            ("PermanentRedirect" or "TemporaryRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException", _) =>
                (Reasons.StoreRefused, "the bucket is in another region: correct spec.storage.s3.region", false),
            ("RequestTimeout" or "SlowDown" or "InternalError" or "ServiceUnavailable" or "Throttling" or "ThrottlingException", _) =>
                (Reasons.StoreUnreachable, "the server is overloaded or in trouble", true),
            (_, >= HttpStatusCode.InternalServerError or HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout) =>
                (Reasons.StoreUnreachable, "the server is overloaded or in trouble", true),
            (_, HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) =>
                (Reasons.AccessDenied, "these credentials may not: the bucket's policy or theirs has to allow it (docs/reference/storage.md lists what is needed)", false),
            (_, HttpStatusCode.Moved or HttpStatusCode.Redirect or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect) =>
                (Reasons.StoreRefused, "the server redirects elsewhere: correct spec.storage.s3.region or the endpoint", false),
            _ => (Reasons.StoreRefused, Advise(answer), false),
        };
        return new StoreException(reason, $"cannot {action} {where}: {advice} ({said})", isTransient, answer);
    }

    // A server that speaks S3 names a code, and mostly a request; another web server answers a page.
    private static string Advise(AmazonServiceException answer) =>
        answer is AmazonS3Exception && !string.IsNullOrEmpty(answer.RequestId)
            ? $"the server refused it{(string.IsNullOrWhiteSpace(answer.Message) ? "" : ": " + Printable(answer.Message, 200))}"
            : "that is no answer of an S3 server: check spec.storage.s3.endpoint, its scheme (http or https) and port";

    private static string Printable(string? text, int length) =>
        new([.. (text ?? "").Select(c => char.IsControl(c) ? ' ' : c).Take(length)]);

    private static IEnumerable<Exception> Chain(Exception error)
    {
        for (var e = error; e is not null; e = e.InnerException!)
            yield return e;
    }
}
