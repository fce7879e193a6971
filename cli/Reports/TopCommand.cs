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
        var retained = Retained();
        var command = new Command("top", "Print the functions that hold most of the memory, or spend most of the time.") { source, retained };
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var options = flags.Options(parsed);
            if (parsed.GetValue(retained))
            {
                var before = flags.Base(parsed) is { } earlier ? await ReadRetainedAsync(input, parsed, earlier, null, ct) : null;
                var now = await ReadRetainedAsync(input, parsed, parsed.GetValue(source)!, null, ct);
                (before is null ? now : now.Since(before, options.SharesOfBase)).Write(options, output);
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
        var retained = Retained();
        var command = new Command("diff", "Print what has grown and shrunk between two profiles; shares are of the first.") { before, after, retained };
        flags.AddTo(command);
        input.AddTo(command);
        ProfileVerb.SetAction(command, world, async (parsed, output, ct) =>
        {
            var options = flags.Options(parsed) with { SharesOfBase = true };
            var (first, second) = (parsed.GetValue(before)!, parsed.GetValue(after));
            if (second is null && !ProfileInput.IsCapture(first))
                throw VerbException.Usage("there are two profiles to compare; one alone may be a capture, which has a baseline");
            var type = second is null ? input.TypeOf(parsed) ?? "heap" : null;
            var baseline = type is null ? null : "baseline-" + type;
            if (parsed.GetValue(retained))
            {
                var was = await ReadRetainedAsync(input, parsed, first, baseline, ct);
                (await ReadRetainedAsync(input, parsed, second ?? first, type, ct)).Since(was, options.SharesOfBase).Write(options, output);
                return;
            }
            var subtracted = await input.ReadAsync(parsed, first, ct, baseline);
            var content = await input.ReadAsync(parsed, second ?? first, ct, type);
            Write(output, second ?? first, content, subtracted, options);
        });
        return command;
    }

    private static Option<bool> Retained() => new("--retained", "-retained") { Description = "Of .NET heaps: order types by what would go if their objects went." };

    // A heap goes before the next one comes.
    private static async Task<RetainedTop> ReadRetainedAsync(ProfileInput input, ParseResult parsed, string source, string? type, CancellationToken ct)
    {
        var graph = await input.ReadHeapAsync(parsed, source, ct, type);
        try
        {
            return RetainedTop.Of(graph);
        }
        catch (ArgumentException e)
        {
            throw new VerbException($"{LocalSource.NameOf(source)}: {e.Message}", ExitCodes.Usage, e);
        }
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
