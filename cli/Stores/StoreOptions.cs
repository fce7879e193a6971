using System.CommandLine;
using Premortem.Contracts.Policies;

namespace Premortem.Cli.Stores;

/// <summary>The flags and variables that say how to reach a bucket's server.</summary>
internal sealed class StoreOptions
{
    private static readonly string[] s_endpointVariables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

    private readonly Option<string?> _endpoint = new("--endpoint")
    {
        Description = "The S3 server, for one other than AWS. Default: $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, then the policy's.",
        HelpName = "url",
    };

    private readonly Option<string?> _region = new("--region") { Description = "The bucket's region. Default: the policy's, then $AWS_REGION.", HelpName = "name" };

    private readonly Option<bool?> _pathStyle = new("--path-style")
    {
        Description = "Ask for host/bucket/key instead of bucket.host/key. Default: the policy's; true with an endpoint.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    internal void AddTo(Command command)
    {
        foreach (var option in new Option[] { _endpoint, _region, _pathStyle })
            command.Add(option);
    }

    /// <summary>Whether the user has said which server it is, so that nobody else has to be asked.</summary>
    internal bool IsEndpointGiven(ParseResult parsed, World world) => parsed.GetValue(_endpoint) is not null || EndpointVariable(world) is not null;

    /// <summary>Flags before what the address or the policy says; of the environment the endpoint before it and the region behind it.</summary>
    internal S3Storage Complete(S3Storage storage, ParseResult parsed, World world)
    {
        if (parsed.GetValue(_endpoint) is { } endpoint)
            storage = storage with { Endpoint = StoreAddress.Endpoint(endpoint, "--endpoint"), ForcePathStyle = true };
        else if (storage.Endpoint is null && EndpointVariable(world) is { } variable)
            storage = storage with { Endpoint = StoreAddress.Endpoint(world.Variable(variable)!, variable), ForcePathStyle = true };
        if (parsed.GetValue(_region) is { } region)
            storage = storage with { Region = region };
        if (parsed.GetResult(_pathStyle) is not null)
            storage = storage with { ForcePathStyle = parsed.GetValue(_pathStyle) ?? true };
        return storage;
    }

    private static string? EndpointVariable(World world) =>
        s_endpointVariables.FirstOrDefault(name => world.Variable(name) is { Length: > 0 });
}
