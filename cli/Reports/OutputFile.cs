namespace Premortem.Cli.Reports;

/// <summary>A file that a verb makes: whole, or not at all.</summary>
internal static class OutputFile
{
    internal static void Write(World world, string path, bool isReplaced, Action<Stream> write)
    {
        if (path == "-")
        {
            using var output = world.OpenOutput();
            write(output);
            return;
        }
        if (!isReplaced && File.Exists(path))
            throw new VerbException($"{Printable.Of(path)} is there already; --force replaces it");
        var part = $"{path}.{Environment.ProcessId}.part";
        try
        {
            using (var file = new FileStream(part, FileMode.Create, FileAccess.Write, FileShare.None))
                write(file);
            File.Move(part, path, overwrite: isReplaced);
        }
        finally
        {
            File.Delete(part);
        }
    }
}
