using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Stores;

/// <summary>What an error of an S3 server means to one who reads, and what to do. Decides on status and code, never on a message's text.</summary>
internal static class BucketFailure
{
    /// <param name="where">What was read, as s3:// URL.</param>
    internal static ReadException Explain(string where, S3Storage storage, Exception error)
    {
        var server = storage.Endpoint?.Authority ?? "AWS";
        for (var e = error; e is not null; e = e.InnerException)
            switch (e)
            {
                case ReadException known:
                    return known;
                case AmazonServiceException { StatusCode: not 0 } answer:
                    return ExplainAnswer(where, server, answer);
                case AuthenticationException:
                    return Because($"the TLS handshake with {server} failed: is the endpoint's scheme https by mistake, or its certificate's authority unknown here (SSL_CERT_FILE names more)?", false);
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return Because($"the name {server} does not resolve here: a server inside the cluster is reached with kubectl port-forward and --endpoint http://127.0.0.1:PORT", false);
                case SocketException refused:
                    return Because($"the connection to {server} failed ({refused.SocketErrorCode}): is it reachable from here, and --endpoint right?", true);
            }
        return error switch
        {
            OperationCanceledException or TimeoutException => Because($"{server} said nothing for too long", true),
            HttpRequestException or IOException => Because($"the connection to {server} broke off", true),
            _ => Because($"{error.GetType().Name}: {Printable.Of(error.Message)}", false),
        };

        ReadException Because(string detail, bool isTransient) => new($"cannot read {where}: {detail}", isTransient, isMissing: false, error);
    }

    private static ReadException ExplainAnswer(string where, string server, AmazonServiceException answer)
    {
        var status = (int)answer.StatusCode;
        var code = Printable.Of(answer.ErrorCode, 60);
        var (advice, isTransient, isMissing) = (code, answer.StatusCode) switch
        {
            ("NoSuchBucket", _) => ($"there is no such bucket at {server}: check the name and --endpoint", false, false),
            ("NoSuchKey", _) or (_, HttpStatusCode.NotFound) => ("it is not there", false, true),
            ("InvalidAccessKeyId", _) => ($"{server} does not know this access key: check AWS_ACCESS_KEY_ID, AWS_PROFILE and --endpoint", false, false),
            ("SignatureDoesNotMatch", _) => ("the secret does not fit the access key: check AWS_SECRET_ACCESS_KEY", false, false),
            ("ExpiredToken" or "TokenRefreshRequired" or "RequestExpired" or "InvalidToken", _) => ("the session token is no longer valid: log in again", false, false),
            ("RequestTimeTooSkewed", _) => ("the clocks of this machine and the server differ by more than 15 minutes", false, false),
            ("PermanentRedirect" or "TemporaryRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException", _)
                or (_, HttpStatusCode.Moved or HttpStatusCode.Redirect or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect) =>
                ("the bucket is in another region: name it with --region", false, false),
            (_, >= HttpStatusCode.InternalServerError or HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout) => ($"{server} is overloaded or in trouble", true, false),
            (_, HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) =>
                ("these credentials may not: they need s3:GetObject on the prefix, and s3:ListBucket on the bucket to list it and to be told what is missing", false, false),
            _ => ("the server refused it; if this is no S3 server, correct --endpoint", false, false),
        };
        return new ReadException($"cannot read {where}: {advice} ({(code.Length == 0 || code == answer.StatusCode.ToString() ? $"{status}" : $"{status} {code}")})", isTransient, isMissing, answer);
    }
}
