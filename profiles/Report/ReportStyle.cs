namespace Premortem.Profiles.Report;

/// <summary>How the page looks: light and dark, on a phone, in print.</summary>
internal static class ReportStyle
{
    internal const string Css = """
        :root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b2330; --soft: #5b6675; --rule: #e1e5ea;
          --memory: #2563eb; --area: #2563eb1f; --usage: #98a3b3; --limit: #d92d20; --ceiling: #e07a00; --threshold: #8250df;
          --good: #12805c; --bar: #2563eb2e; --capture: #0891b2; }
        @media (prefers-color-scheme: dark) { :root { --page: #10141b; --card: #181e27; --ink: #e4e9f0; --soft: #98a4b4; --rule: #2c3542;
          --memory: #6ea0ff; --area: #6ea0ff26; --usage: #6b7789; --limit: #ff6b60; --ceiling: #ffa94d; --threshold: #b794f6;
          --good: #4cc59a; --bar: #6ea0ff40; --capture: #3fc5de; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 40px; }
        h1 { font-size: 27px; line-height: 1.25; margin: 6px 0 10px; overflow-wrap: anywhere; text-wrap: balance; }
        h2 { font-size: 17px; margin: 0 0 12px; }
        p { margin: 0 0 10px; }
        code, .name { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .93em; overflow-wrap: anywhere; }
        a { color: var(--memory); }
        .where { color: var(--soft); overflow-wrap: anywhere; }
        .lead { font-size: 16px; }
        .soft, .note { color: var(--soft); }
        .note { font-size: 13px; margin: 10px 0 0; }
        .badge { display: inline-block; border-radius: 99px; padding: 1px 11px; font-weight: 600; font-size: 13px; color: #fff; background: #667085; vertical-align: 1px; }
        .OOMKilled, .Failed { background: #c5221f; } .Survived, .Completed { background: #12805c; } .Exited, .Partial { background: #a85b00; }
        section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 18px 20px; margin-top: 18px; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 18px; }
        .tile { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 11px 15px; }
        .tile b { display: block; font-size: 20px; line-height: 1.3; font-variant-numeric: tabular-nums; }
        .tile span { color: var(--soft); font-size: 13px; }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th { text-align: left; font-weight: 600; font-size: 13px; color: var(--soft); white-space: nowrap; }
        th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
        tr:last-child td { border-bottom: 0; }
        td.n, th.n { text-align: right; white-space: nowrap; padding-left: 10px; }
        td.t { white-space: nowrap; }
        td.name { min-width: 200px; padding-left: 12px; } th.name { padding-left: 12px; font-family: inherit; }
        td.share { min-width: 78px; padding-left: 8px; background: linear-gradient(var(--bar), var(--bar)) no-repeat left center / var(--w) 72%; border-radius: 3px; }
        .bad { color: var(--limit); } .good { color: var(--good); }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
        dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        svg { display: block; width: 100%; min-width: 640px; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        svg text { fill: var(--soft); }
        .grid { stroke: var(--rule); } .area { fill: var(--area); }
        .memory, .usage, .limit, .ceiling, .threshold { fill: none; stroke-width: 1.5; }
        .memory { stroke: var(--memory); stroke-width: 2; stroke-linejoin: round; } .usage { stroke: var(--usage); stroke-width: 1; }
        .limit { stroke: var(--limit); } .ceiling { stroke: var(--ceiling); stroke-dasharray: 7 4; } .threshold { stroke: var(--threshold); stroke-dasharray: 3 4; }
        .trigger { stroke: var(--threshold); stroke-width: 1.5; } .kill { stroke: var(--limit); stroke-width: 2; }
        .span { fill: var(--capture); } .span.failed { fill: none; stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 3 2; }
        svg .t-limit { fill: var(--limit); } svg .t-ceiling { fill: var(--ceiling); } svg .t-threshold { fill: var(--threshold); } svg .ink { fill: var(--ink); }
        svg .halo { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
        .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px; margin-top: 8px; }
        .legend i { display: inline-block; width: 18px; height: 0; border-top: 2px solid; margin-right: 6px; vertical-align: 4px; }
        footer { color: var(--soft); font-size: 13px; margin-top: 22px; overflow-wrap: anywhere; }
        @media (max-width: 600px) { main { padding: 16px 10px 28px; } h1 { font-size: 21px; } section { padding: 14px 12px; } table { font-size: 13px; } .sum { display: none; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
        @media print { :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc; --memory: #2563eb; --area: #2563eb1f; --limit: #c5221f; --threshold: #6b3fd0; --ceiling: #b35c00; --bar: #2563eb2e; }
          body { font-size: 12px; } main { max-width: none; padding: 0; } section, .tile { break-inside: avoid; border-color: #ccc; } .wide { overflow: visible; } svg { min-width: 0; } * { print-color-adjust: exact; } }
        """;
}
