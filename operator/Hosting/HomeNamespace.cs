namespace Premortem.Operator.Hosting;

/// <summary>Which namespace the operator is at home in.</summary>
internal static class HomeNamespace
{
    private const string Default = "premortem-system";
    private const string File = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

    public static string Find(string? option, string file = File)
    {
        if (option is not null)
            return option;
        if (Environment.GetEnvironmentVariable("POD_NAMESPACE") is { Length: > 0 } variable)
            return variable;
        try
        {
            return System.IO.File.ReadAllText(file).Trim() is { Length: > 0 } text ? text : Default;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Default;
        }
    }
}
