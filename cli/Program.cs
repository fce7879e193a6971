using Premortem.Cli;

return CommandTree.Run(args, new World(Console.OpenStandardOutput, Console.Error)
{
    Program = World.ProgramOf(Environment.GetCommandLineArgs()[0]),
    IsTerminal = !Console.IsErrorRedirected,
    IsOutputTerminal = !Console.IsOutputRedirected,
});
