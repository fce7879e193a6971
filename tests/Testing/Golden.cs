using System.Runtime.CompilerServices;
using Xunit;

namespace Premortem.Testing;

/// <summary>What a program writes, compared to the last character with a file beside the test. <c>UPDATE_GOLDEN=1</c> rewrites the file.</summary>
public static class Golden
{
    /// <param name="name">The file's name in the <c>testdata</c> folder beside the test.</param>
    public static void Matches(string actual, string name, [CallerFilePath] string caller = "")
    {
        var path = Repository.TestData(name, caller);
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
        }
        Assert.True(File.Exists(path), $"{name} is missing: run with UPDATE_GOLDEN=1");
        Assert.Equal(File.ReadAllText(path), actual);
    }
}
