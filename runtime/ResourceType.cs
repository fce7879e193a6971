namespace Premortem.Runtime;

/// <summary>A resource of the API: <c>new("premortem.dev", "v1alpha1", "profilepolicies", "ProfilePolicy")</c>; the core group is "".</summary>
public sealed record ResourceType(string Group, string Version, string Plural, string Kind, bool IsNamespaced = true)
{
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}
