using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Sidecar.Captures;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class SecretMaskTests
{
    private static readonly string[] s_secretNames =
        ["API_KEY", "token", "CLIENT_SECRET", "DB_PASSWORD", "PGPASS", "MYSQL_PWD", "AWS_CREDENTIAL", "BASIC_AUTH", "SENTRY_DSN", "ConnectionStrings__Main", "REDIS_CONNECTION", "apiKey", "SESSION_ID"];

    [Theory]
    [InlineData("API_KEY", "short")]
    [InlineData("api_token", "x")]
    [InlineData("Client.Secret", "x")]
    [InlineData("DB_PASS", "hunter2")]
    [InlineData("MYSQL_PWD", "hunter2")]
    [InlineData("GOOGLE_CREDENTIALS", "{}")]
    [InlineData("AUTH_HEADER", "Basic abc")]
    [InlineData("SENTRY_DSN", "https://abc@sentry.example/1")]
    [InlineData("ConnectionStrings__Default", "Server=db")]
    public void A_variable_of_a_secret_name_is_masked_whole(string name, string value) => Assert.Equal(SecretMask.Mask, SecretMask.Variable(name, value));

    [Theory]
    [InlineData("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")]
    [InlineData("MAIN", "/opt/Go119/Src/net/httpX")]
    [InlineData("HANDLER", "MemoryIntensiveFunctionOfTheCheckoutService")]
    [InlineData("PWD", "/home/app")]
    [InlineData("OLDPWD", "/")]
    [InlineData("HOSTNAME", "checkout-7d9f8b6c5d-x2x4k")]
    [InlineData("GOMEMLIMIT", "900MiB")]
    [InlineData("KUBERNETES_SERVICE_PORT_HTTPS", "443")]
    [InlineData("KUBERNETES_PORT", "tcp://10.96.0.1:443")]
    [InlineData("LANG", "en_US.UTF-8")]
    [InlineData("GODEBUG", "gctrace=1,madvdontneed=1")]
    [InlineData("ENDPOINT", "https://minio.storage:9000/bucket?versioning=on")]
    [InlineData("POD_UID", "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0")]
    [InlineData("EMPTY_TOKEN", "")]
    public void What_is_no_secret_stays(string name, string value) => Assert.Equal(value, SecretMask.Variable(name, value));

    [Theory]
    [InlineData("postgres://app:hunter2@db.example:5432/shop?sslmode=disable", "postgres://***@db.example:5432/shop?sslmode=disable")]
    [InlineData("amqp://app:p@ss@mq.example/", "amqp://***@mq.example/")]
    [InlineData("https://hooks.example/x?token=abc&size=3", "https://hooks.example/x?token=***&size=3")]
    [InlineData("Server=db;User Id=app;Password=hunter2;Timeout=3", "Server=db;User Id=app;Password=***;Timeout=3")]
    [InlineData("{\"user\":\"app\",\"password\":\"hunt er2\"}", "{\"user\":\"app\",\"password\":***}")]
    [InlineData("app:hunter2@tcp(db:3306)/shop", "***tcp(db:3306)/shop")]
    [InlineData("Authorization: Bearer abc.def", "Authorization: ***")]
    [InlineData("authorization=Custom abc def", "authorization=***")]
    [InlineData("{\"Authorization\": \"Basic YTpi\"}", "{\"Authorization\": ***}")]
    [InlineData("X: Bearer abc", "X: Bearer ***")]
    [InlineData("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "***")]
    [InlineData("AKIAIOSFODNN7EXAMPLE", "***")]
    [InlineData("id=AKIAIOSFODNN7EXAMPLE;", "id=***;")]
    [InlineData("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "***")]
    [InlineData("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "***")]
    [InlineData("5f4dcc3b5aa765d61d8327deb882cf99", "***")]
    [InlineData("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***")]
    public void A_value_is_masked_by_its_look(string value, string expected) => Assert.Equal(expected, SecretMask.Value(value));

    [Theory]
    [InlineData("server --password=hunter2 --port 80", "server --password=*** --port 80")]
    [InlineData("server --password hunter2 --port 80", "server --password *** --port 80")]
    [InlineData("server -db-pass hunter2 -v", "server -db-pass *** -v")]
    [InlineData("server --password -starts-with-a-dash", "server --password ***")]
    [InlineData("server --auth --port 80", "server --auth --port 80")]
    [InlineData("server API_TOKEN=abc PORT=80", "server API_TOKEN=*** PORT=80")]
    [InlineData("server --db postgres://u:p@h/d", "server --db postgres://***@h/d")]
    [InlineData("server --tls-key=/etc/tls.key", "server --tls-key=***")]
    [InlineData("/usr/bin/token-server /etc/keys/list", "/usr/bin/token-server /etc/keys/list")]
    [InlineData("server --password", "server --password")]
    public void Arguments_are_masked(string line, string expected) => Assert.Equal(expected.Split(' '), SecretMask.Arguments(line.Split(' ')));

    [Property]
    public Property A_value_under_a_secret_name_never_comes_through() => Prop.ForAll(
        Gen.Elements(s_secretNames).ToArbitrary(),
        Secrets(Gen.Choose('!', '~')).ToArbitrary(),
        (name, secret) =>
        {
            string[] written =
            [
                SecretMask.Variable(name, secret),
                .. SecretMask.Arguments(["server", $"--{name}={secret}", "--port", "80"]),
                .. SecretMask.Arguments(["server", $"{name}={secret}"]),
                .. secret.StartsWith("--", StringComparison.Ordinal) ? [] : SecretMask.Arguments(["server", $"--{name}", secret]),
            ];
            return written.All(text => !text.Contains(secret, StringComparison.Ordinal));
        });

    [Property]
    public Property A_password_in_a_URL_never_comes_through() => Prop.ForAll(
        Secrets(Gen.Elements("abcdefghijkLMNOPQRST0123456789:@-._~!$&*+,;=%".ToCharArray()).Select(c => (int)c)).ToArbitrary(),
        secret => !SecretMask.Value($"postgres://app:{secret}@db.example/shop").Contains(secret, StringComparison.Ordinal));

    [Property]
    public Property Random_keys_never_come_through() => Prop.ForAll(
        Gen.Choose(0, 255).ArrayOf(32).ToArbitrary(),
        bytes =>
        {
            var key = bytes.Select(b => (byte)b).ToArray();
            var base64 = Convert.ToBase64String(key);
            // A key of few different bytes is no random one, and one in ten thousand looks like a path.
            return key.Distinct().Count() < 24 || (base64[0] == '/' && base64.Count(c => c == '/') > 3) || (Hidden(base64) && Hidden(Convert.ToHexStringLower(key)));
        });

    [Theory]
    [InlineData("a")]
    [InlineData("eyJ")]
    [InlineData("://")]
    [InlineData("key=")]
    [InlineData("a:b@")]
    [InlineData("\"")]
    [InlineData("authorization ")]
    public void A_long_value_made_to_stall_it_does_not(string unit)
    {
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < 8; i++)
            SecretMask.Value(string.Concat(Enumerable.Repeat(unit, 8192 / unit.Length)));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }

    [Property]
    public Property Nothing_breaks_it() => Prop.ForAll<string>(
        ArbMap.Default.ArbFor<NonNull<string>>().Convert(text => text.Get, NonNull<string>.NewNonNull),
        text => SecretMask.Value(text) is not null && SecretMask.Arguments([text, text]).Count == 2);

    private static bool Hidden(string key) => SecretMask.Value(key) == SecretMask.Mask;

    private static Gen<string> Secrets(Gen<int> characters) =>
        characters.Select(c => (char)c).ArrayOf().Where(c => c.Length > 7).Select(c => "q" + new string(c));
}
