namespace Premortem.Runtime;

/// <summary>An object of the API as a controller sees it: a record that holds the fields that it needs and no others.</summary>
public interface IResource
{
    ObjectMeta Metadata { get; }
}
