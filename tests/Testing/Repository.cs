using System.Runtime.CompilerServices;

namespace Premortem.Testing;

/// <summary>Where things stand in the tree that is tested.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    /// <summary>A file or program that a make target has to have built.</summary>
    public static string Built(string relativePath, string makeTarget)
    {
        var path = Path(relativePath);
        Need.Part(File.Exists(path), $"{relativePath} is missing: run 'make {makeTarget}'");
        return path;
    }

    /// <summary>The folder of the calling source file's <c>testdata</c>.</summary>
    public static string TestData(string name, [CallerFilePath] string caller = "") =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(caller)!, "testdata", name);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException($"no Operator.sln above {AppContext.BaseDirectory}");
    }
}
