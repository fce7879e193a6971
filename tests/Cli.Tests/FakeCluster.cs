using Premortem.Testing;

namespace Premortem.Cli.Tests;

/// <summary>
/// A cluster of files behind a script that stands for kubectl: <c>get RESOURCE [NAME]</c> gives <c>RESOURCE[.NAME].json</c>, <c>logs POD</c>
/// <c>logs.POD</c>, and <c>create</c> keeps what it is given as <c>created.json</c>.
/// </summary>
internal sealed class FakeCluster : IDisposable
{
    private const string Script = """
        #!/bin/sh
        here=$(dirname "$0")
        echo "$*" >>"$here/calls"
        verb=$1 resource=$2 name=
        case $verb in
          create) cat "$3" >"$here/created.json"; cat "$here/created-answer.json"; exit ;;
          logs) cat "$here/logs.$2" 2>/dev/null || { echo "no log of $2" >&2; exit 1; }; exit ;;
          get) ;;
          *) exit 1 ;;
        esac
        case ${3:-} in -*|'') ;; *) name=.$3 ;; esac
        # One after the other, where something changes.
        for n in 1 2 3 4 5; do
          if [ -f "$here/$resource$name.$n.json" ]; then mv "$here/$resource$name.$n.json" "$here/$resource$name.json"; break; fi
        done
        # With --ignore-not-found kubectl says nothing of an empty list, either.
        if [ -f "$here/$resource$name.json" ]; then cat "$here/$resource$name.json"; fi
        """;

    private readonly TemporaryFolder _folder = new();

    internal FakeCluster()
    {
        File.WriteAllText(Kubectl, Script.ReplaceLineEndings("\n") + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Kubectl, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    internal string Kubectl => _folder.File("kubectl");

    /// <summary>What kubectl was called with, a line a call.</summary>
    internal string Calls => File.Exists(_folder.File("calls")) ? File.ReadAllText(_folder.File("calls")) : "";

    internal string Created => File.ReadAllText(_folder.File("created.json"));

    internal FakeCluster With(string file, string content)
    {
        File.WriteAllText(_folder.File(file), content);
        return this;
    }

    internal (int ExitCode, string Output, string Errors) Run(params string[] arguments) => Premortem.Run([.. arguments, "--kubectl", Kubectl]);

    public void Dispose() => _folder.Dispose();
}
