using System.CommandLine;
using System.Globalization;
using Premortem.Cli.Stores;
using Premortem.Contracts.Policies;
using Premortem.Dumps;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Pprof;
using Premortem.Sidecar.Hosting;

namespace Premortem.Cli.Reports;

/// <summary>Where profiles come from: files, standard input, captures wherever they are, and endpoints of running programs.</summary>
internal sealed class ProfileInput(World world)
{
    // Of what an endpoint sends; unpacked it is bounded once more.
    private const int MostBytes = 512 << 20;

    // What a person would most likely look into, in a folder that has several.
    private static readonly string[] Types = ["heap", "types", "allocs", "allocations", "cpu", "goroutine", "block", "mutex", "threadcreate"];

    private static readonly string[] Extensions = [".pb.gz", ".pb", ".nettrace.gz", ".nettrace", ".json", ".out", ".dmp.gz", ".dmp"];

    private readonly Option<string?> _type = new("--type")
    {
        Description = "Of a capture: the profile to take, such as heap, cpu, goroutine or baseline-heap. Default: the heap, else the first there is.",
        HelpName = "type",
    };

    private readonly Option<int> _seconds = new("--seconds", "-seconds")
    {
        Description = "Of a URL: how long to profile, or over how long to take the difference.",
        HelpName = "n",
    };

    private readonly Option<int> _timeout = new("--timeout", "-timeout")
    {
        Description = "Of a URL: how many seconds to wait at most. Default: a minute more than -seconds.",
        HelpName = "n",
    };

    private readonly Option<string?> _dac = DumpInput.Dac();

    private readonly StoredProfiles _stored = new(world);

    internal static Argument<string> Source(string name, string description) => new Argument<string>(name) { Description = description }.OfFileRefusingFlags();

    internal void AddTo(Command command)
    {
        command.Add(_type);
        command.Add(_seconds);
        command.Add(_timeout);
        command.Add(_dac);
        _stored.AddTo(command);
    }

    /// <summary>Whether it is a capture, of which a profile can be chosen by its type, and no single profile.</summary>
    internal static bool IsCapture(string source) => Directory.Exists(source) || StoredProfiles.IsCapture(source);

    /// <summary>The type of profile that the user asks for in a folder; null: nobody says.</summary>
    internal string? TypeOf(ParseResult parsed) => parsed.GetValue(_type);

    /// <summary>What stands there; an error says what could not be read.</summary>
    internal async Task<ProfileContent> ReadAsync(ParseResult parsed, string source, CancellationToken ct, string? type = null, bool withGraph = false)
    {
        try
        {
            if (UrlOf(source) is { } url)
                return ProfileContent.Read(await GetAsync(url, source, parsed.GetValue(_seconds), parsed.GetValue(_timeout), ct), withGraph);
            if (StoredProfiles.IsOne(source))
            {
                await using var stored = await _stored.ReadAsync(parsed, source, names => Choose(names, type ?? parsed.GetValue(_type), "the capture"), ct);
                return Read(stored, path: null);
            }
            // It was the number of rows before captures could be named.
            if (_stored.Namespace(parsed) is { } ns && ns.All(char.IsAsciiDigit))
                throw VerbException.Usage($"-n is the namespace of a capture, and {Printable.Of(source)} is none; the number of rows is -nodecount={ns}");
            if (StoreAddress.IsFile(source) && StoreAddress.Parse(source) is DirectoryStorage local)
                source = local.Path;
            if (source != "-" && Directory.Exists(source))
                source = FileIn(source, type ?? parsed.GetValue(_type));
            await using var input = LocalSource.Open(source);
            return Read(input, source);
        }
        catch (FileNotFoundException e)
        {
            throw Failed("there is no such file", e);
        }
        catch (Exception e) when (e is ProfileFormatException or DumpException or IOException or UnauthorizedAccessException or HttpRequestException)
        {
            throw Failed(e.Message, e);
        }

        ProfileContent Read(Stream content, string? path)
        {
            if (!DumpInput.IsOne(content))
                return ProfileContent.Read(content, withGraph);
            var graph = DumpInput.Read(content, path, parsed.GetValue(_dac), world, ct);
            return withGraph ? new ProfileContent.Heap(graph) : new ProfileContent.Types(graph.ToTable());
        }

        VerbException Failed(string problem, Exception e) =>
            new($"{LocalSource.NameOf(source)}: {problem}", ExitCodes.Failed, e);
    }

    /// <summary>The options with the profile that the flags want subtracted, where they do.</summary>
    internal async Task<TopOptions> WithBaseAsync(ParseResult parsed, ReportFlags flags, TopOptions options, CancellationToken ct) =>
        flags.Base(parsed) is { } source ? options with { Base = await ReadStacksAsync(parsed, source, ct) } : options;

    /// <summary>As <see cref="ReadAsync"/>, of what has stacks: of a .NET heap, the paths by which its roots hold it.</summary>
    internal async Task<PprofProfile> ReadStacksAsync(ParseResult parsed, string source, CancellationToken ct) =>
        await ReadAsync(parsed, source, ct, withGraph: true) switch
        {
            ProfileContent.Functions functions => functions.Profile,
            ProfileContent.Heap heap => heap.Graph.ToProfile(),
            ProfileContent.Trace => throw new VerbException($"{Printable.Of(source)}: this is an execution trace of Go, which 'go tool trace' opens; 'premortem top' sums it up"),
            _ => throw new VerbException($"{Printable.Of(source)}: this is a table of types, without stacks; 'premortem top' prints it"),
        };

    /// <summary>As <see cref="ReadAsync"/>, of a .NET heap with what its objects refer to.</summary>
    internal async Task<HeapGraph> ReadHeapAsync(ParseResult parsed, string source, CancellationToken ct, string? type = null) =>
        await ReadAsync(parsed, source, ct, type, withGraph: true) is ProfileContent.Heap heap
            ? heap.Graph
            : throw new VerbException($"{Printable.Of(source)}: only the snapshot of a .NET heap (heap.nettrace.gz) or a dump with heap (.dmp.gz) has what holds its objects");

    /// <summary>The URL of an endpoint; null: it is a file's name. <c>https+insecure</c> trusts any certificate, as pprof has it.</summary>
    private static Uri? UrlOf(string source) =>
        Uri.TryCreate(source, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" or "https+insecure" && source.Contains("://", StringComparison.Ordinal)
            ? url
            : null;

    private static string FileIn(string folder, string? type) =>
        Path.Combine(folder, Choose([.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path))], type, "this folder"));

    /// <param name="where">For the error.</param>
    private static string Choose(IReadOnlyList<string> names, string? type, string where)
    {
        // A type's name is that of its files but for the case.
#pragma warning disable CA1308
        string[] types = type is null ? Types : [type.ToLowerInvariant()];
#pragma warning restore CA1308
        foreach (var name in types)
            foreach (var extension in Extensions)
                if (names.Contains(name + extension))
                    return name + extension;
        var there = names
            .Where(name => Array.Exists(Extensions, extension => name.EndsWith(extension, StringComparison.Ordinal)) && name != "manifest.json")
            .Select(name => Printable.Of(name, 100))
            .Order(StringComparer.Ordinal)
            .Take(20)
            .ToList();
        throw new IOException(
            $"{where} has no profile{(type is null ? "" : $" of type {type}")}; {(there.Count == 0 ? "there is none at all" : "it has " + string.Join(", ", there))}");
    }

    private static async Task<Stream> GetAsync(Uri url, string source, int seconds, int timeout, CancellationToken ct)
    {
        if (url.AbsolutePath is "" or "/")
            throw VerbException.Usage($"{Printable.Of(source)}: say what to fetch, such as {url.GetLeftPart(UriPartial.Authority)}/debug/pprof/heap");
        using var handler = new SocketsHttpHandler { AutomaticDecompression = System.Net.DecompressionMethods.None };
        if (url.Scheme == "https+insecure")
        {
#pragma warning disable CA5359 // It is what the user asked for by this scheme.
            handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
            url = new UriBuilder(url) { Scheme = "https", Port = url.Port < 0 ? 443 : url.Port }.Uri;
        }
        if (seconds > 0)
            url = new UriBuilder(url) { Query = (url.Query.Length > 0 ? url.Query + "&" : "?") + string.Create(CultureInfo.InvariantCulture, $"seconds={seconds}") }.Uri;
        using var http = new HttpClient(new BrokenConnections(handler)) { Timeout = Timeout.InfiniteTimeSpan };
        // Without -seconds, a CPU profile takes thirty.
        var most = TimeSpan.FromSeconds(timeout > 0 ? timeout : (seconds > 0 ? seconds : 30) + 60);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(most);
        try
        {
            using var response = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
            var content = new MemoryStream();
            var buffer = new byte[64 << 10];
            var allowed = response.IsSuccessStatusCode ? MostBytes : 512;
            while (content.Length < allowed && await body.ReadAsync(buffer, limit.Token) is > 0 and var read)
                content.Write(buffer, 0, read);
            if (!response.IsSuccessStatusCode)
                throw new IOException(
                    $"the server answered {(int)response.StatusCode} {Printable.Of(response.ReasonPhrase, 80)}: {Printable.Of(System.Text.Encoding.UTF8.GetString(content.ToArray()).Trim(), 200)}");
            if (content.Length >= allowed)
                throw new IOException($"the server sent more than {MostBytes >> 20} MiB");
            content.Position = 0;
            return content;
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new IOException($"no whole answer within {most.TotalSeconds:0} s; -timeout waits longer", e);
        }
    }
}
