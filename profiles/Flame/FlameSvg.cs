using System.Globalization;
using Premortem.Profiles.Report;

namespace Premortem.Profiles.Flame;

/// <summary>The picture of a flame graph: rectangles with titles that any viewer shows, and a script of its own that zooms and searches.</summary>
internal sealed class FlameSvg(FlameGraph graph, TextWriter writer)
{
    private const double Width = 1200;
    private const double Margin = 10;
    private const double Narrowest = 0.2;
    private const int RowHeight = 17;
    private const int Top = 62;
    private const double CharacterWidth = 6.6;

    private const string Style = """
        text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#111;pointer-events:none}
        #title{font-size:16px;font-weight:600}
        #told{fill:#333}
        .link{pointer-events:auto;cursor:pointer;fill:#0645ad;text-decoration:underline}
        g.f rect{stroke:#fff;stroke-width:.5;cursor:pointer}
        g.f:hover rect,g.f:focus rect{stroke:#000;stroke-width:1.5}
        g.f.found rect{fill:#c238c2!important}
        g.f.faded{opacity:.45}
        """;

    // Each frame carries its place as shares of the whole, so that zooming is arithmetic.
    private const string Script = """
        (function(){
        var svg=document.documentElement,frames=[].slice.call(svg.querySelectorAll('g.f')),told=document.getElementById('told'),W=1180,M=10;
        function place(g,x,w){var r=g.firstElementChild.nextElementSibling,t=r.nextElementSibling,n=g.getAttribute('data-n'),c=Math.floor((w-4)/6.6);
        r.setAttribute('x',x);r.setAttribute('width',Math.max(w,0));t.setAttribute('x',x+3);
        t.textContent=c<3?'':n.length<=c?n:n.slice(0,c-1)+'\u2026';}
        function zoom(to){var x0=to?+to.getAttribute('data-x'):0,w0=to?+to.getAttribute('data-w'):1,d0=to?+to.getAttribute('data-d'):0;
        frames.forEach(function(g){var x=+g.getAttribute('data-x'),w=+g.getAttribute('data-w'),d=+g.getAttribute('data-d'),e=1e-9;
        var inside=x>=x0-e&&x+w<=x0+w0+e,above=d<d0&&x<=x0+e&&x+w>=x0+w0-e;
        g.style.display=inside&&d>=d0||above?'':'none';g.classList.toggle('faded',above);
        if(above)place(g,M,W);else if(inside)place(g,M+(x-x0)/w0*W,w/w0*W);});}
        function search(){var s=prompt('Search for a function (regular expression)','');if(s===null)return;var r;
        try{r=s?new RegExp(s):null}catch(e){told.textContent='not a regular expression';return}
        var spans=[];frames.forEach(function(g){var f=!!r&&r.test(g.getAttribute('data-n'));g.classList.toggle('found',f);
        if(f)spans.push([+g.getAttribute('data-x'),+g.getAttribute('data-x')+ +g.getAttribute('data-w')])});
        spans.sort(function(a,b){return a[0]-b[0]});var sum=0,end=0;spans.forEach(function(p){if(p[1]>end){sum+=p[1]-Math.max(end,p[0]);end=p[1]}});
        told.textContent=r?'found: '+(sum*100).toFixed(2)+' %':'';}
        frames.forEach(function(g){g.addEventListener('click',function(){zoom(g)});
        g.addEventListener('keydown',function(e){if(e.key==='Enter')zoom(g)});
        g.addEventListener('mouseover',function(){told.textContent=g.firstElementChild.textContent})});
        document.getElementById('reset').addEventListener('click',function(){zoom(null)});
        document.getElementById('search').addEventListener('click',search);
        window.addEventListener('keydown',function(e){if(e.key==='/'){e.preventDefault();search()}if(e.key==='Escape')zoom(null)});
        ['reset','search'].forEach(function(i){document.getElementById(i).style.display=''});
        })();
        """;

    private int _deepest;

    internal void Write()
    {
        var total = Positive(graph.Nodes[0].Value);
        _deepest = Deepest(total);
        var height = Top + ((_deepest + 1) * RowHeight) + 30;
        var title = Html.Encode(graph.Title);
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"""
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="{Html.SvgNamespace}" viewBox="0 0 {Width} {height}" width="{Width}" height="{height}" role="img" aria-label="Flame graph of {title}">
            <style>{Style}</style>
            <rect width="100%" height="100%" fill="#fff"/>
            <text id="title" x="{Margin}" y="24">{title}: {Html.Encode(graph.Format(total))}</text>
            <text id="told" x="{Margin}" y="46">{Html.Encode(Legend())}</text>
            <text id="reset" class="link" x="1060" y="24" style="display:none">reset</text>
            <text id="search" class="link" x="1120" y="24" style="display:none">search</text>

            """));
        if (total > 0)
            Draw(total);
        writer.Write($"<script><![CDATA[\n{Script}\n]]></script>\n</svg>\n");
    }

    private static long Positive(long value) => Math.Max(0, value);

    private string Legend() =>
        (graph.IsDifference ? "red has grown, blue has shrunk; " : "")
        + (graph.LeftOut > 0 ? string.Create(CultureInfo.InvariantCulture, $"{graph.LeftOut} frames of deep stacks are not shown; ") : "")
        + "click zooms, / searches, Esc resets";

    private int Deepest(long total)
    {
        var deepest = 0;
        var open = new Stack<(int Node, int Depth)>([(0, 0)]);
        while (open.TryPop(out var next))
        {
            deepest = Math.Max(deepest, next.Depth);
            for (var callee = graph.Nodes[next.Node].FirstCallee; callee >= 0; callee = graph.Nodes[callee].NextSibling)
                if (IsWide(graph.Nodes[callee], total))
                    open.Push((callee, next.Depth + 1));
        }
        return deepest;
    }

    private static bool IsWide(in FlameNode node, long total) => total > 0 && Positive(node.Value) * (Width - (2 * Margin)) / total >= Narrowest;

    private void Draw(long total)
    {
        var open = new Stack<(int Node, int Depth, double Start, double Share)>([(0, 0, 0, 1)]);
        var callees = new List<int>();
        while (open.TryPop(out var next))
        {
            var (node, depth, start, share) = next;
            DrawFrame(graph.Nodes[node], depth, start, share, total);
            callees.Clear();
            var sum = 0.0;
            for (var callee = graph.Nodes[node].FirstCallee; callee >= 0; callee = graph.Nodes[callee].NextSibling)
            {
                sum += Positive(graph.Nodes[callee].Value);
                if (IsWide(graph.Nodes[callee], total))
                    callees.Add(callee);
            }
            callees.Sort((left, right) => string.CompareOrdinal(graph.NameOf(graph.Nodes[left]), graph.NameOf(graph.Nodes[right])));
            // Where something has shrunk below nothing, the rest may be more than the whole.
            var scale = share / Math.Max(sum, Positive(graph.Nodes[node].Value));
            foreach (var callee in callees)
            {
                var width = Positive(graph.Nodes[callee].Value) * scale;
                open.Push((callee, depth + 1, start, width));
                start += width;
            }
        }
    }

    private void DrawFrame(in FlameNode node, int depth, double start, double share, long total)
    {
        var name = graph.NameOf(node);
        var (x, width) = (Margin + (start * (Width - (2 * Margin))), share * (Width - (2 * Margin)));
        var y = Top + ((_deepest - depth) * RowHeight);
        var characters = (int)((width - 4) / CharacterWidth);
        var text = characters < 3 ? "" : name.Length <= characters ? name : Cut(name, characters - 1) + "…";
        var told = $"{name} ({graph.Format(node.Value)}, {Units.Percentage(node.Value, total).TrimStart()}{Change(node)})";
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"""
            <g class="f" tabindex="0" data-n="{Html.Encode(name)}" data-x="{start:0.########}" data-w="{share:0.########}" data-d="{depth}"><title>{Html.Encode(told)}</title><rect x="{x:0.##}" y="{y}" width="{width:0.##}" height="{RowHeight - 1}" rx="1" fill="{Colour(node, total)}"/><text x="{x + 3:0.##}" y="{y + 12}">{Html.Encode(text)}</text></g>

            """));
    }

    /// <summary>The beginning of a name, and no half of a character.</summary>
    private static string Cut(string name, int length) => char.IsHighSurrogate(name[length - 1]) ? name[..(length - 1)] : name[..length];

    private string Change(in FlameNode node) => !graph.IsDifference ? "" : unchecked(node.Value - node.Before) switch
    {
        > 0 and var more => $"; {graph.Format(more)} more",
        < 0 and var less => $"; {graph.Format(unchecked(-less))} less",
        _ => "; unchanged",
    };

    private string Colour(in FlameNode node, long total)
    {
        if (graph.IsDifference)
        {
            var change = Math.Clamp(((double)node.Value - node.Before) / Math.Max(1, Math.Max(Positive(node.Value), Math.Abs((double)node.Before))), -1, 1);
            var rest = (int)(235 - (165 * Math.Abs(change)));
            return change > 0 ? string.Create(CultureInfo.InvariantCulture, $"#f0{rest:x2}{rest:x2}") : string.Create(CultureInfo.InvariantCulture, $"#{rest:x2}{rest:x2}f0");
        }
        // The same function has the same colour in every picture.
        var hash = 2166136261u;
        foreach (var c in graph.NameOf(node))
            hash = unchecked((hash ^ c) * 16777619);
        return string.Create(CultureInfo.InvariantCulture, $"hsl({15 + (hash % 40)},{75 + (hash / 64 % 20)}%,{62 + (hash / 4096 % 14)}%)");
    }
}
