using System.CommandLine;
using System.CommandLine.Completions;

namespace Premortem.Cli.Cluster;

/// <summary>The flags that say which cluster, and which namespace of it.</summary>
internal sealed class ClusterOptions
{
    private readonly Option<string?> _namespace = new("--namespace", "-n") { Description = "The namespace. Default: the context's.", HelpName = "ns" };
    private readonly Option<string?> _context = new("--context") { Description = "The context of the kubeconfig to use.", HelpName = "name" };
    private readonly Option<string?> _kubeconfig = new("--kubeconfig") { Description = "The kubeconfig file to use.", HelpName = "file" };
    private readonly Option<string?> _kubectl = new("--kubectl") { Description = "The kubectl to ask. Default: $KUBECTL, else the one in PATH.", HelpName = "file" };

    /// <param name="names">What is completed with the names of the cluster's objects of a resource.</param>
    internal void AddTo(Command command, World world, params (Argument Argument, string Resource)[] names)
    {
        foreach (var (argument, resource) in names)
            argument.CompletionSources.Add(context => Names(context, resource, Namespace(context.ParseResult)));
        _namespace.CompletionSources.Add(context => Names(context, "namespaces", null));
        foreach (var option in new Option[] { _namespace, _context, _kubeconfig, _kubectl })
            command.Add(option);

        // Help wants to know what may stand there, too, and is not worth asking the cluster.
        IEnumerable<CompletionItem> Names(CompletionContext context, string resource, string? ns) =>
            context is TextCompletionContext ? Kubectl(context.ParseResult, world).Names(resource, ns).Select(name => new CompletionItem(name)) : [];
    }

    internal string? Namespace(ParseResult parsed) => parsed.GetValue(_namespace);

    internal Kubectl Kubectl(ParseResult parsed, World world)
    {
        var program = parsed.GetValue(_kubectl) ?? (world.Variable("KUBECTL") is { Length: > 0 } named ? named : "kubectl");
        var flags = new List<string>();
        if (parsed.GetValue(_context) is { } context)
            flags.Add($"--context={context}");
        if (parsed.GetValue(_kubeconfig) is { } kubeconfig)
            flags.Add($"--kubeconfig={kubeconfig}");
        return new Kubectl(program, flags);
    }
}
