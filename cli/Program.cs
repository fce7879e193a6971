using Premortem.Cli;

return CommandTree.Run(args, Console.OpenStandardOutput, Console.Error);
