using Microsoft.Playwright;
using Premortem.Profiles;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Pprof;
using Premortem.Profiles.Report;
using Premortem.Profiles.Tests.Report;
using Premortem.Testing;
using Xunit;

namespace Premortem.Report.Tests;

/// <summary>The report page as a browser has it: Debian's Chromium, without its window.</summary>
public sealed class PageInBrowserTests : IAsyncLifetime
{
    private const string Chromium = "/usr/bin/chromium";
    private const string Evil = "</script><!--<script>document.title='gone'</script><img src=x onerror=document.title='gone'>\u202e\u0000";

    private readonly List<string> _said = [];
    private readonly List<string> _asked = [];
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"premortem-report-{Guid.NewGuid():N}.html");
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        Need.Part(File.Exists(Chromium), $"{Chromium} is missing: run 'eng/deps test'");
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        File.Delete(_file);
    }

    [Fact]
    public async Task It_opens_without_an_error_and_asks_for_nothing()
    {
        var page = await OpenAsync(Sample.Leak());

        Assert.Equal("98.6 % of live heap is held by main.MemoryIntensiveFunc", await page.Locator("h1").TextContentAsync());
        Assert.True(await page.Locator("#findings li").CountAsync() > 0);
        Assert.Empty(_said);
        Assert.Equal([new Uri(_file).AbsoluteUri], _asked);
    }

    [Fact]
    public async Task Without_script_the_findings_and_tables_are_there()
    {
        var page = await OpenAsync(Sample.Leak(), new BrowserNewContextOptions { JavaScriptEnabled = false });

        Assert.True(await page.Locator("table.top tbody tr").First.IsVisibleAsync());
        Assert.True(await page.Locator(".chart svg").First.IsVisibleAsync());
        Assert.False(await page.Locator("#flames").IsVisibleAsync());
        Assert.True(await page.Locator("#graphs svg").First.IsVisibleAsync());
        Assert.Equal(0, await page.Locator("input:visible").CountAsync());
    }

    [Fact]
    public async Task Tables_are_searched_and_sorted()
    {
        var page = await OpenAsync(Sample.Leak());
        var table = page.Locator("table.top").Last;
        var search = page.Locator("input[aria-label^='Search in: ']").Last;
        var all = await table.Locator("tbody tr:visible").CountAsync();

        await search.FillAsync("runtime\\.");
        Assert.InRange(await table.Locator("tbody tr:visible").CountAsync(), 1, all - 1);
        await search.FillAsync("[");
        Assert.Equal(0, await table.Locator("tbody tr:visible").CountAsync());
        await search.FillAsync("");

        await table.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = "cum", Exact = true }).ClickAsync();
        var cum = await table.Locator("tbody tr td:nth-child(4)").EvaluateAllAsync<double[]>("cells => cells.map(cell => Number(cell.dataset.v))");
        Assert.Equal(cum.OrderDescending(), cum);
        Assert.Equal("descending", await table.Locator("th:nth-child(4)").GetAttributeAsync("aria-sort"));
    }

    [Fact]
    public async Task The_flame_graph_zooms_searches_inverts_and_changes_what_it_shows_by_keyboard_too()
    {
        var page = await OpenAsync(Sample.Leak());
        var boxes = page.Locator(".flame [role=treeitem]");
        var all = await boxes.CountAsync();
        Assert.True(all > 3);

        await page.GetByLabel("Search in the stacks").FillAsync("MemoryIntensive");
        Assert.True(await page.Locator(".flame .found").CountAsync() > 0);
        await page.GetByLabel("Search in the stacks").FillAsync("");

        await boxes.First.FocusAsync();
        await page.Keyboard.PressAsync("ArrowDown");
        var name = await page.EvaluateAsync<string>("document.activeElement.dataset.name");
        Assert.NotEqual("all", name);
        await page.Keyboard.PressAsync("Enter");
        Assert.Equal(1, await page.Locator(".flame .way").CountAsync());
        Assert.Equal(name, await page.EvaluateAsync<string>("document.activeElement.dataset.name"));
        await page.Keyboard.PressAsync("Escape");
        Assert.Equal(all, await boxes.CountAsync());

        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Invert" }).ClickAsync();
        Assert.Equal("main.MemoryIntensiveFunc", await boxes.Nth(1).GetAttributeAsync("data-name"));
        await page.GetByLabel("What the widths show").SelectOptionAsync("1");
        Assert.Contains("all:", await page.Locator("#flames .readout").TextContentAsync(), StringComparison.Ordinal);
        Assert.Empty(_said);
    }

    [Fact]
    public async Task The_chart_tells_values_and_zooms()
    {
        var page = await OpenAsync(Sample.Leak());
        var chart = page.GetByRole(AriaRole.Group, new PageGetByRoleOptions { Name = "Memory chart" });
        var before = await page.Locator(".chart path.memory").GetAttributeAsync("d");

        await chart.FocusAsync();
        await page.Keyboard.PressAsync("ArrowRight");
        Assert.Matches("^11:59:30.000 UTC · working set 30.0 MiB .11.7 % of the ceiling.", await page.Locator("#memory .readout").TextContentAsync() ?? "");
        await page.Keyboard.PressAsync("+");
        Assert.NotEqual(before, await page.Locator(".chart path.memory").GetAttributeAsync("d"));
        await page.Keyboard.PressAsync("Escape");
        Assert.True(await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Show the whole time" }).IsDisabledAsync());

        var box = (await chart.BoundingBoxAsync())!;
        await page.Mouse.MoveAsync(box.X + (box.Width / 2), box.Y + (box.Height / 2));
        Assert.Contains("working set", await page.Locator("#memory .readout").TextContentAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_call_graph_fits_and_grows()
    {
        var page = await OpenAsync(Sample.Leak());
        var holder = page.Locator(".callgraph").First;
        var width = "element => element.querySelector('svg').getBoundingClientRect().width";
        Assert.True(await holder.EvaluateAsync<bool>("element => element.scrollWidth <= element.clientWidth"));
        var fitted = await holder.EvaluateAsync<double>(width);

        for (var i = 0; i < 8; i++)
            await page.GetByLabel("Enlarge the call graph").First.ClickAsync();
        Assert.InRange(await holder.EvaluateAsync<double>(width), fitted * 1.2, double.MaxValue);
        Assert.True(await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= document.documentElement.clientWidth"));
        await page.GetByLabel("Fit the call graph into the page").First.ClickAsync();
        Assert.Equal(fitted, await holder.EvaluateAsync<double>(width), tolerance: 1);

        await page.GetByText("cpu.pb.gz: cpu", new PageGetByTextOptions { Exact = true }).Last.ClickAsync();
        Assert.True(await page.Locator("#graphs svg").Last.IsVisibleAsync());
        Assert.Empty(_said);
    }

    [Fact]
    public async Task Hostile_names_are_shown_and_do_nothing()
    {
        var encoder = PprofEncoder.Heap();
        encoder.Sample([encoder.At(Evil), encoder.At(new string('x', 1 << 20))], 1, 1000);
        var profile = PprofProfile.Read(new MemoryStream(encoder.ToArray()));
        var page = await OpenAsync(Sample.Leak() with
        {
            Tables = [new ReportTable("Heap", TopTable.Of(profile)) { File = Evil }],
            Flames = [ReportFlame.Of(Evil, profile)!],
            Graphs = [(Evil, CallGraph.Of(profile))],
        });

        Assert.NotEqual("gone", await page.TitleAsync());
        Assert.Equal(0, await page.Locator("img").CountAsync());
        Assert.Equal(2, await page.Locator("script").CountAsync());
        Assert.StartsWith("</script><!--<script>", await page.Locator("#graphs g > title", new PageLocatorOptions { HasText = "<!--" }).First.TextContentAsync(), StringComparison.Ordinal);
        Assert.StartsWith("</script><!--<script>", await page.Locator(".flame [role=treeitem]").Nth(2).GetAttributeAsync("data-name"), StringComparison.Ordinal);
        Assert.Empty(_said);
        Assert.Single(_asked);
    }

    [Fact]
    public async Task A_phone_does_not_scroll_sideways_and_the_dark_is_dark()
    {
        var page = await OpenAsync(Sample.Leak(), new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 375, Height = 812 }, ColorScheme = ColorScheme.Dark });

        Assert.Equal(375, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        Assert.Equal("rgb(16, 20, 27)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
    }

    [Fact]
    public async Task Print_has_no_controls_and_no_dark_ground()
    {
        var page = await OpenAsync(Sample.Leak(), new BrowserNewContextOptions { ColorScheme = ColorScheme.Dark });
        await page.EmulateMediaAsync(new PageEmulateMediaOptions { Media = Media.Print });

        Assert.Equal(0, await page.Locator(".tools:visible").CountAsync());
        Assert.Equal("rgb(255, 255, 255)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
    }

    /// <summary>For tests/Benchmarks/report: when the page of <c>PREMORTEM_PAGE</c> was first painted, in milliseconds, is added to <c>PREMORTEM_PAINT</c>.</summary>
    [Fact(Explicit = true)]
    public async Task FirstPaint()
    {
        var file = Environment.GetEnvironmentVariable("PREMORTEM_PAGE") ?? throw new InvalidOperationException("PREMORTEM_PAGE has to name the page");
        var page = await (await _browser!.NewContextAsync()).NewPageAsync();
        await page.GotoAsync(new Uri(file).AbsoluteUri);
        var paint = await page.EvaluateAsync<double>(
            "() => new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime)).observe({ type: 'paint', buffered: true }))");
        Assert.InRange(paint, 0.001, 60_000);
        if (Environment.GetEnvironmentVariable("PREMORTEM_PAINT") is { } into)
            await File.AppendAllTextAsync(into, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{paint:0}\n"));
    }

    private async Task<IPage> OpenAsync(ReportData data, BrowserNewContextOptions? options = null)
    {
        await using (var file = File.Create(_file))
            ReportPage.Write(file, data);
        var context = await _browser!.NewContextAsync(options);
        var page = await context.NewPageAsync();
        page.Console += (_, message) => _said.Add(message.Text);
        page.PageError += (_, error) => _said.Add(error);
        page.Request += (_, request) => _asked.Add(request.Url);
        await page.GotoAsync(new Uri(_file).AbsoluteUri);
        return page;
    }
}
