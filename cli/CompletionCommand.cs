using System.CommandLine;

namespace Premortem.Cli;

/// <summary><c>premortem completion</c>: scripts with which shells complete its verbs and flags. They ask the program itself.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # source <(premortem completion bash)
        _premortem() {
          local IFS=$'\n'
          COMPREPLY=($(premortem "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
        }
        complete -o default -F _premortem premortem
        """;

    private const string Zsh = """
        #compdef premortem
        # source <(premortem completion zsh)
        _premortem() {
          local -a found
          found=("${(@f)$(premortem "[suggest]" "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
          if [[ -n "${found[*]}" ]]; then compadd -a found; else _files; fi
        }
        compdef _premortem premortem
        """;

    private const string Fish = """
        # premortem completion fish | source
        complete -c premortem -a '(premortem "[suggest]" (commandline -cp | string collect) 2>/dev/null)'
        """;

    // kubectl runs it with the words behind "kubectl premortem", and wants a number at the end: 0 lets the shell go on with files.
    private const string Kubectl = """
        #!/bin/sh
        # premortem completion kubectl >~/.local/bin/kubectl_complete-premortem && chmod +x ~/.local/bin/kubectl_complete-premortem
        kubectl-premortem "[suggest]" "kubectl-premortem $*" 2>/dev/null
        echo :0
        """;

    internal static Command Create(World world)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish; or kubectl, for 'kubectl premortem' in any of them." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "kubectl");
        var command = new Command("completion", "Print a script that lets a shell complete verbs and flags.") { shell };
        command.SetAction((parsed, _) => Verb.RunAsync(world, output =>
        {
            output.WriteLine((parsed.GetValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                "fish" => Fish,
                _ => Kubectl,
            }).ReplaceLineEndings("\n"));
            return Task.CompletedTask;
        }));
        return command;
    }
}
