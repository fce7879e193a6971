using System.CommandLine;
using System.Text;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;

namespace Premortem.Cli;

/// <summary><c>premortem top</c>: the functions that hold or spend most, as <c>go tool pprof -top</c> prints them, or a .NET heap's types.</summary>
internal static class TopCommand
{
    internal static Command Create(Func<Stream> openOutput, TextWriter errors)
    {
        var file = new Argument<string>("file") { Description = "A pprof profile, a type table, or a .NET heap or allocations, gzip or not; - is standard input." };
        file.Validators.Add(result =>
        {
            // A flag that is not known would be taken for the file.
            if (result.Tokens is [{ Value: ['-', _, ..] flag }])
                result.AddError($"there is no flag {flag}; a file of that name is ./{flag}");
        });
        // Each in the way of Go's tools and in the way of GNU's, so that what people's fingers know is right.
        var cumulative = new Option<bool>("--cum", "-cum") { Description = "Order by what a function and all that it calls hold." };
        var sampleIndex = new Option<string?>("--sample-index", "-sample_index", "--sample_index", "-sample-index")
        {
            Description = "The sample type to count, by name or number. Default: the profile's own, for a heap profile inuse_space.",
            HelpName = "name",
        };
        var nodeCount = new Option<int>("--nodecount", "-nodecount", "-n")
        {
            Description = "How many rows at most; 0: all.",
            HelpName = "n",
        };
        var nodeFraction = new Option<double>("--nodefraction", "-nodefraction")
        {
            Description = "Leave out functions whose cum is below this share of the total.",
            HelpName = "f",
            DefaultValueFactory = _ => new TopOptions().NodeFraction,
        };
        nodeFraction.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<double>() is not (>= 0 and <= 1))
                result.AddError("-nodefraction is a share, from 0 to 1");
        });
        var subtract = new Option<string?>("--base", "-base")
        {
            Description = "A profile to subtract, for what has grown since; shares are of what is left.",
            HelpName = "file",
        };
        var compare = new Option<string?>("--diff-base", "-diff_base", "--diff_base", "-diff-base")
        {
            Description = "A profile to subtract; shares are of it.",
            HelpName = "file",
        };
        var command = new Command("top", "Print the functions that hold most of the memory, or spend most of the time.")
        {
            file, cumulative, sampleIndex, nodeCount, nodeFraction, subtract, compare,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(subtract) is not null && result.GetResult(compare) is not null)
                result.AddError("-base and -diff_base are two ways of one thing: give one of them");
        });
        command.SetAction(parsed => Run(
            parsed.GetValue(file)!,
            parsed.GetValue(subtract) ?? parsed.GetValue(compare),
            new TopOptions
            {
                Cumulative = parsed.GetValue(cumulative),
                SampleIndex = parsed.GetValue(sampleIndex),
                NodeCount = Math.Max(0, parsed.GetValue(nodeCount)),
                NodeFraction = parsed.GetValue(nodeFraction),
                SharesOfBase = parsed.GetValue(compare) is not null,
            },
            openOutput,
            errors));
        return command;
    }

    private static int Run(string file, string? baseFile, TopOptions options, Func<Stream> openOutput, TextWriter errors)
    {
        // The one that is read at the moment: an error is about it.
        var reading = file;
        try
        {
            var content = Read(file);
            var subtracted = baseFile is null ? null : Read(reading = baseFile);
            reading = file;
            Action<TextWriter> write = (content, subtracted) switch
            {
                (ProfileContent.Types types, null) => TypeTop.Of(types.Table, options).Write,
                (ProfileContent.Functions functions, null) => TopTable.Of(functions.Profile, options).Write,
                (ProfileContent.Functions functions, ProfileContent.Functions other) => TopTable.Of(functions.Profile, options with { Base = other.Profile }).Write,
                (ProfileContent.Types types, ProfileContent.Types other) => TypeTop.Difference(types.Table, other.Table, options).Write,
                _ => throw new ArgumentException("a profile and a type table cannot be compared"),
            };
            using var output = new StreamWriter(openOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 64 << 10);
            write(output);
            return ExitCodes.Ok;
        }
        catch (ArgumentException e)
        {
            return Fail(ExitCodes.Usage, e.Message);
        }
        catch (FileNotFoundException)
        {
            return Fail(ExitCodes.Failed, "there is no such file");
        }
        catch (Exception e) when (e is ProfileFormatException or IOException or UnauthorizedAccessException)
        {
            return Fail(ExitCodes.Failed, e.Message);
        }

        int Fail(int code, string problem)
        {
            errors.WriteLine($"premortem: {(reading == "-" ? "standard input" : reading)}: {problem}");
            return code;
        }
    }

    private static ProfileContent Read(string file)
    {
        if (file != "-" && Directory.Exists(file))
            throw new IOException("this is a folder, not a profile");
        // No buffer of its own: the reads are large.
        using var input = file == "-"
            ? Console.OpenStandardInput()
            : new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        return ProfileContent.Read(input);
    }
}
