using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Premortem.Runtime.Tests;

/// <summary>One lease, as the API server keeps it: a write of an old version is refused.</summary>
internal sealed class LeaseStub
{
    private readonly Lock _lock = new();
    private JsonObject? _lease;
    private int _version;

    /// <summary>Answers instead, for whom it holds; the writer's identity, or null.</summary>
    public Func<SeenRequest, HttpResponse, CancellationToken, Task>? Fault { get; set; }

    /// <summary>Does what is asked, and breaks the connection instead of an answer.</summary>
    public bool LosesAnswers { get; set; }

    public string? Holder => (string?)_lease?["spec"]?["holderIdentity"];

    public int Transitions => (int)_lease!["spec"]!["leaseTransitions"]!;

    public JsonNode Spec => _lease!["spec"]!;

    public Task AnswerAsync(SeenRequest seen, HttpResponse response, CancellationToken ct)
    {
        if (Fault is { } fault)
            return fault(seen, response, ct);
        lock (_lock)
        {
            var body = seen.Body.Length > 0 ? (JsonObject)JsonNode.Parse(seen.Body)! : null;
            if (seen.Method == "POST" && _lease is not null)
                return response.Refuse(409, "AlreadyExists");
            if (seen.Method != "POST" && _lease is null)
                return response.Refuse(404, "NotFound");
            if (seen.Method == "PATCH" && (string?)body!["metadata"]!["resourceVersion"] != $"{_version}")
                return response.Refuse(409, "Conflict");
            if (seen.Method != "GET")
                _lease = new JsonObject { ["metadata"] = new JsonObject { ["name"] = "lease", ["resourceVersion"] = $"{++_version}" }, ["spec"] = body!["spec"]!.DeepClone() };
            if (LosesAnswers && seen.Method != "GET")
            {
                response.HttpContext.Abort();
                return Task.CompletedTask;
            }
            return response.Json(_lease!.ToJsonString());
        }
    }

    /// <summary>As somebody who writes into it without knowing of leases.</summary>
    public void Touch(Action<JsonObject>? change = null)
    {
        lock (_lock)
        {
            change?.Invoke(_lease!);
            _lease!["metadata"]!["resourceVersion"] = $"{++_version}";
        }
    }
}
