using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Premortem.Contracts.Policies;

/// <summary>Checks the <c>spec</c> of a <c>ProfileCapture</c>, by the same rules as a policy's captures.</summary>
public static partial class RequestReader
{
    /// <returns>What is wrong; empty: nothing.</returns>
    public static IReadOnlyList<FieldProblem> Check(JsonObject spec, string path)
    {
        var errors = new List<FieldProblem>();
        var fields = new DocumentFields(spec, path, errors);
        if (fields.String("podName", required: true) is { } pod && !(pod.Length <= 253 && PodName().IsMatch(pod)))
            fields.Wrong("podName", $"is '{Cut(pod)}', but has to be the name of a pod in this namespace");
        if (fields.String("container") is { } container && !ContainerName().IsMatch(container))
            fields.Wrong("container", $"is '{Cut(container)}', but has to be a container's name: lower-case letters, digits and '-', at most 63");
        fields.String("policy", most: 253);
        fields.String("trigger", most: 63);
        PolicyReader.ReadRequestedCaptures(fields);
        fields.NoOthers();
        return errors;
    }

    private static string Cut(string text) => text.Length <= 80 ? text : text[..80] + "…";

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\z")]
    private static partial Regex PodName();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    private static partial Regex ContainerName();
}
