using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Premortem.Operator.Hosting;

/// <summary>Puts the options together: a flag wins over a variable of the environment, and that over the file. Says all that is wrong at once.</summary>
internal static partial class OptionsReader
{
    public const string DefaultFile = "/etc/premortem/operator/config.yaml";
    public const string FileVariable = OptionKey.VariablePrefix + "CONFIG";
    private const int MaxBytes = 1 << 20;

    /// <param name="flags">By the option's name.</param>
    /// <param name="file">The file that was asked for; null: <see cref="FileVariable"/>, else <paramref name="defaultFile"/> where it is there.</param>
    public static OptionsReading Read(
        IReadOnlyDictionary<string, string> flags,
        IReadOnlyDictionary<string, string> environment,
        string? file,
        string defaultFile = DefaultFile)
    {
        var errors = new List<string>();
        var options = new OperatorOptions();
        file ??= environment.GetValueOrDefault(FileVariable) ?? (File.Exists(defaultFile) ? defaultFile : null);
        if (file is not null)
            foreach (var (field, value) in ReadFile(file, errors))
                options = Set(options, OptionKeys.All.FirstOrDefault(key => key.Field == field), $"{file}: {field}", value, errors, key => key.Field, field);
        foreach (var (variable, value) in environment.OrderBy(item => item.Key, StringComparer.Ordinal))
            if (variable.StartsWith(OptionKey.VariablePrefix, StringComparison.Ordinal) && variable != FileVariable && !ServiceLink().IsMatch(variable))
                options = Set(options, OptionKeys.All.FirstOrDefault(key => key.Variable == variable), variable, value, errors, key => key.Variable, variable);
        foreach (var (name, value) in flags)
            options = Set(options, OptionKeys.All.First(key => key.Name == name), "--" + name, value, errors, key => key.Flag, name);
        Check(options, errors);
        return new OptionsReading(options, errors, file);
    }

    /// <summary>What is in force, one line each; nothing in it is secret but what somebody put into a URL.</summary>
    public static IEnumerable<(string Name, string Value)> Show(OperatorOptions options) =>
        OptionKeys.All.Select(key => (key.Name, Redact(key.Get(options) ?? "")));

    internal static string Redact(string value) => Credentials().Replace(value, "//***@");

    private static OperatorOptions Set(OperatorOptions options, OptionKey? key, string where, string value, List<string> errors, Func<OptionKey, string> spelling, string written)
    {
        if (key is null)
        {
            var nearest = OptionKeys.All.Select(spelling).MinBy(known => Distance(known, written))!;
            errors.Add(Distance(nearest, written) <= 4 ? $"{where}: there is no such option; did you mean {nearest}?" : $"{where}: there is no such option; 'premortem-operator run --help' lists them");
            return options;
        }
        try
        {
            return key.Set(options, value);
        }
        catch (FormatException e)
        {
            errors.Add($"{where} is '{Redact(value)}', but has to be {e.Message}");
            return options;
        }
    }

    private static void Check(OperatorOptions options, List<string> errors)
    {
        if (options.LeaseRenewDeadline >= options.LeaseDuration)
            errors.Add($"lease-renew-deadline is {Shown(options, "lease-renew-deadline")}, but has to be less than lease-duration, which is {Shown(options, "lease-duration")}: else two replicas could lead");
        if (options.LeaseRetryPeriod >= options.LeaseRenewDeadline)
            errors.Add($"lease-retry-period is {Shown(options, "lease-retry-period")}, but has to be less than lease-renew-deadline, which is {Shown(options, "lease-renew-deadline")}");
        if (options.HttpPort == options.HttpsPort && options.HttpPort != 0)
            errors.Add($"http-port and https-port are both {options.HttpPort}, but have to differ");
    }

    private static string Shown(OperatorOptions options, string name) => OptionKeys.All.First(key => key.Name == name).Get(options)!;

    private static List<(string Field, string Value)> ReadFile(string file, List<string> errors)
    {
        var found = new List<(string, string)>();
        try
        {
            if (new FileInfo(file).Length > MaxBytes)
                throw new IOException($"larger than {MaxBytes} bytes");
            using var reader = new StreamReader(file);
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents.Count == 0)
                return found;
            if (yaml.Documents.Count > 1 || yaml.Documents[0].RootNode is not YamlMappingNode root)
            {
                errors.Add($"{file}: has to hold one mapping, like 'httpsPort: 9443'");
                return found;
            }
            foreach (var (key, value) in root.Children)
                if (value is not YamlScalarNode { Style: ScalarStyle.Plain, Value: "" or "~" or "null" })
                    found.Add((key.ToString(), AsText(value)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add($"{file}: cannot be read: {e.Message}");
        }
        catch (YamlException e)
        {
            errors.Add($"{file}: line {e.Start.Line}, column {e.Start.Column}: {e.Message}");
        }
        return found;
    }

    /// <summary>Lists as they stand on a command line, objects as JSON.</summary>
    private static string AsText(YamlNode node) => node switch
    {
        YamlScalarNode scalar => scalar.Value ?? "",
        YamlSequenceNode list => string.Join(',', list.Children.Select(AsText)),
        _ => AsJson(node)!.ToJsonString(),
    };

    private static JsonNode? AsJson(YamlNode node) => node switch
    {
        YamlMappingNode fields => new JsonObject(fields.Children.Select(field => KeyValuePair.Create(field.Key.ToString(), AsJson(field.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(AsJson)]),
        _ => JsonValue.Create(((YamlScalarNode)node).Value),
    };

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var next = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = row[j];
                row[j] = next;
            }
        }
        return row[b.Length];
    }

    // What the kubelet sets for a Service called premortem-operator.
    [GeneratedRegex(@"^PREMORTEM_OPERATOR_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.+)?)?)\z")]
    private static partial Regex ServiceLink();

    [GeneratedRegex(@"//[^/@\s]+@")]
    private static partial Regex Credentials();
}

/// <param name="Errors">Each names the key and what would be right; empty: <paramref name="Options"/> may be used.</param>
/// <param name="File">The file that was read; null: none.</param>
internal sealed record OptionsReading(OperatorOptions Options, IReadOnlyList<string> Errors, string? File);
