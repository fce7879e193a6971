namespace Premortem.Operator.Injection;

internal sealed record NamespaceView(string Name, IReadOnlyDictionary<string, string> Labels);
