using System.Buffers;
using System.Text.RegularExpressions;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Takes secrets out of environments and command lines. It goes by names, by shapes and by randomness, and rather masks too much: what
/// is stored here is read by more people than may log on to the pod.
/// </summary>
internal static partial class SecretMask
{
    internal const string Mask = "***";

    // Longer ones are masked whole, for the expressions below take time with the square of it.
    private const int MaxLength = 8 * 1024;

    private const int LeastRandomLength = 20;
    private const int LeastLowerCaseRandomLength = 32;
    private const double LeastEntropyBits = 3.5;

    // Parts of names; without regard to case.
    private static readonly string[] SecretWords =
    [
        "key", "token", "secret", "pass", "pwd", "credential", "creds", "auth", "dsn", "connection", "conn_str", "connstr", "private",
        "signature", "cookie", "session", "salt", "bearer", "webhook",
    ];

    private static readonly SearchValues<char> Base64 =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");

    // Working directories, not passwords.
    private static readonly HashSet<string> HarmlessNames = new(StringComparer.Ordinal) { "PWD", "OLDPWD" };

    /// <summary>Whether what goes by this name is to be taken for a secret.</summary>
    internal static bool IsSecretName(ReadOnlySpan<char> name)
    {
        if (HarmlessNames.GetAlternateLookup<ReadOnlySpan<char>>().Contains(name))
            return false;
        foreach (var word in SecretWords)
            if (name.Contains(word, StringComparison.OrdinalIgnoreCase))
                return true;
        return false;
    }

    /// <summary>The value of an environment variable, masked as its name and its look demand.</summary>
    internal static string Variable(string name, string value) => value.Length > 0 && IsSecretName(name) ? Mask : Value(value);

    /// <summary>A command line: <c>--password=x</c>, <c>--password x</c>, <c>PASSWORD=x</c> and what looks secret.</summary>
    internal static IReadOnlyList<string> Arguments(IReadOnlyList<string> arguments)
    {
        var masked = new List<string>(arguments.Count);
        var isNext = false;
        foreach (var argument in arguments)
        {
            if (isNext && !IsLongFlag(argument))
            {
                masked.Add(Mask);
                isNext = false;
                continue;
            }
            var isFlag = argument.StartsWith('-');
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = argument.AsSpan(0, equals < 0 ? argument.Length : equals);
            var isSecret = (isFlag || equals > 0) && IsName(name) && IsSecretName(name);
            isNext = isSecret && equals < 0;
            masked.Add(isSecret && equals >= 0 ? $"{name}={Mask}" : isSecret ? argument : Value(argument));
        }
        return masked;
    }

    /// <summary>A value whose name tells nothing, with the parts masked that look like secrets.</summary>
    internal static string Value(string value)
    {
        if (value.Length > MaxLength || value.Contains("-----BEGIN", StringComparison.Ordinal))
            return Mask;
        var text = UserInfo().Replace(value, $"$1{Mask}@");
        text = Authorization().Replace(text, $"$1$2{Mask}");
        text = NamedSecret().Replace(text, $"$1{Mask}");
        text = KnownShape().Replace(text, Mask);
        if (IsBase64Secret(text))
            return Mask;
        return Run().Replace(text, static match => IsRandom(match.ValueSpan) ? Mask : match.Value);
    }

    private static bool IsLongFlag(string argument) =>
        argument.Length > 2 && argument.StartsWith("--", StringComparison.Ordinal) && char.IsAsciiLetter(argument[2]);

    // A path or a URL that holds an equals sign is no name.
    private static bool IsName(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
                return false;
        return true;
    }

    /// <summary>Base64 with slashes, as AWS's secret keys are, in a value of its own. A path starts with a slash and has many.</summary>
    private static bool IsBase64Secret(string value) =>
        value.Length >= LeastRandomLength
        && (value[0] != '/' || value.AsSpan().Count('/') * 12 <= value.Length)
        && !value.AsSpan().ContainsAnyExcept(Base64)
        && IsRandom(value);

    private static bool IsRandom(ReadOnlySpan<char> text)
    {
        var lower = text.ContainsAnyInRange('a', 'z');
        var upper = text.ContainsAnyInRange('A', 'Z');
        var digit = text.ContainsAnyInRange('0', '9');
        if (lower && upper)
            return digit
                ? text.Length >= LeastRandomLength && Entropy(text) >= LeastEntropyBits
                // Without a digit it may be WordsWithCapitals, whose letters repeat more than chance would have them.
                : text.Length >= LeastLowerCaseRandomLength && Entropy(text) >= LeastEntropyBits + 0.8;
        if (!digit || !(lower || upper))
            return false;
        // One case and digits: a hash, a hexadecimal key; or the name of a pod, whose parts the dashes tell apart.
        return text.Length >= LeastLowerCaseRandomLength && !text.Contains('-') && Entropy(text) >= LeastEntropyBits - 0.5;
    }

    /// <summary>Bits a character, by how often each occurs.</summary>
    private static double Entropy(ReadOnlySpan<char> text)
    {
        Span<int> counts = stackalloc int[128];
        counts.Clear();
        foreach (var c in text)
            counts[c & 127]++;
        var bits = 0.0;
        foreach (var count in counts)
            if (count > 0)
                bits -= (double)count / text.Length * Math.Log2((double)count / text.Length);
        return bits;
    }

    // scheme://user:password@host. The password may hold an unescaped @: everything up to the last one before the path goes.
    [GeneratedRegex(@"([A-Za-z][A-Za-z0-9+.\-]{0,15}://)[^\s/?#""']*@", RegexOptions.CultureInvariant)]
    private static partial Regex UserInfo();

    // password=x, "password": "x", Password='x'; in connection strings, queries and JSON. Up to what ends a value in all of them.
    [GeneratedRegex(
        @"((?:pass|pwd|secret|token|key|credential|auth|signature|session)[A-Za-z0-9_\-]{0,32}[""']?\s{0,4}[=:]\s{0,4})"
        + @"(?:""[^""]*""?|'[^']*'?|[^\s&;,""'}]+)",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NamedSecret();

    // A header with all that follows, or a scheme with what follows it.
    [GeneratedRegex(
        @"(authorization[""']?\s{0,4}[=:]\s{0,4}[""']?)[^""'\r\n]+|\b((?:Bearer|Basic|Digest|Negotiate)\s{1,4})[^\s""',;]+",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Authorization();

    // JWTs; AWS's, GitHub's, GitLab's, Slack's, Stripe's, Google's keys; user:password@tcp(host) of Go's MySQL driver.
    [GeneratedRegex(
        @"\beyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}"
        + @"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w\-]{16,}|\bxox[abeprs]-[\w\-]{8,}"
        + @"|\b[sr]k_(?:live|test)_\w{8,}|\bAIza[\w\-]{30,}|[^\s:/@]{1,64}:[^\s/]{1,256}@(?=tcp\(|unix\()",
        RegexOptions.CultureInvariant)]
    private static partial Regex KnownShape();

    [GeneratedRegex(@"[A-Za-z0-9+=_\-]{20,}", RegexOptions.CultureInvariant)]
    private static partial Regex Run();
}
