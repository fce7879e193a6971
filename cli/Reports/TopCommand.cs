using System.CommandLine;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;

namespace Premortem.Cli.Reports;

/// <summary>
/// <c>premortem top</c> and <c>premortem diff</c>: the functions that hold or spend most, as <c>go tool pprof -top</c> prints them, or a
/// .NET heap's types.
/// </summary>
internal static class TopCommand
{
    internal static Command Create(World world)
    {
        var (input, flags) = (new ProfileInput(world), new ReportFlags());
        var source = ProfileInput.Source("file", "A pprof profile, a type table, a .NET heap or allocations, or a Go execution trace, gzip or not; a capture's name, s3:// URL or folder; a URL; - is standard input.");
        var retained = new Option<bool>("--retained", "-retained") { Description = "Of a .NET heap: order types by what would go if their objects went." };
        var command = new Command("top", "Print the functions that hold most of the memory, or spend most of the time.") { source, retained };
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var options = flags.Options(parsed);
            if (parsed.GetValue(retained))
            {
                if (flags.Base(parsed) is not null)
                    throw VerbException.Usage("-retained is of one heap: what two retain is compared by eye");
                RetainedTop.Write(await input.ReadHeapAsync(parsed, parsed.GetValue(source)!, ct), options, output);
                return;
            }
            var content = await input.ReadAsync(parsed, parsed.GetValue(source)!, ct);
            var subtracted = flags.Base(parsed) is { } other ? await input.ReadAsync(parsed, other, ct) : null;
            Write(output, parsed.GetValue(source)!, content, subtracted, options);
        });
        return command;
    }

    internal static Command CreateDiff(World world)
    {
        var (input, flags) = (new ProfileInput(world), new ReportFlags(bases: false));
        var before = ProfileInput.Source("before", "What to compare with: a profile, a folder, a URL. Alone, a capture: its baseline against its heap.");
        var after = ProfileInput.Source("after", "What has become of it.");
        after.Arity = ArgumentArity.ZeroOrOne;
        var command = new Command("diff", "Print what has grown and shrunk between two profiles; shares are of the first.") { before, after };
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var options = flags.Options(parsed) with { SharesOfBase = true };
            var (first, second) = (parsed.GetValue(before)!, parsed.GetValue(after));
            if (second is null && !ProfileInput.IsCapture(first))
                throw VerbException.Usage("there are two profiles to compare; one alone may be a capture, which has a baseline");
            var type = second is null ? input.TypeOf(parsed) ?? "heap" : null;
            var subtracted = await input.ReadAsync(parsed, first, ct, type is null ? null : "baseline-" + type);
            var content = await input.ReadAsync(parsed, second ?? first, ct, type);
            Write(output, second ?? first, content, subtracted, options);
        });
        return command;
    }

    private static void Write(TextWriter output, string source, ProfileContent content, ProfileContent? subtracted, TopOptions options)
    {
        try
        {
            Action<TextWriter> write = (content, subtracted) switch
            {
                (ProfileContent.Types types, null) => TypeTop.Of(types.Table, options).Write,
                (ProfileContent.Functions functions, null) => TopTable.Of(functions.Profile, options).Write,
                (ProfileContent.Functions functions, ProfileContent.Functions other) => TopTable.Of(functions.Profile, options with { Base = other.Profile }).Write,
                (ProfileContent.Types types, ProfileContent.Types other) => TypeTop.Difference(types.Table, other.Table, options).Write,
                (ProfileContent.Trace trace, null) => trace.Summary.Write,
                _ => throw new ArgumentException("a profile and a type table cannot be compared"),
            };
            write(output);
        }
        catch (ArgumentException e)
        {
            throw new VerbException($"{LocalSource.NameOf(source)}: {e.Message}", ExitCodes.Usage, e);
        }
    }
}
