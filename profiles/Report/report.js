"use strict";
// Whatever a profile calls its functions, it arrives here as text and is only ever set as text.
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const button = (text, label, action) => {
    const made = make("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", action);
    return made;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const scaled = (value, steps) => {
    let size = Math.abs(value), step = 0;
    while (step < steps.length - 1 && size >= steps[step][1]) size /= steps[step++][1];
    return (value < 0 ? "−" : "") + (step === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1)) + " " + steps[step][0];
  };
  const bytes = value => scaled(value, [["B", 1024], ["KiB", 1024], ["MiB", 1024], ["GiB", 1024], ["TiB", 1024], ["PiB", 1024]]);
  const format = (value, unit) =>
    unit === "bytes" ? bytes(value)
      : unit === "nanoseconds" ? scaled(value, [["ns", 1000], ["µs", 1000], ["ms", 1000], ["s", 1e9]])
        : value.toLocaleString("en") + (unit === "count" ? "" : " " + unit);
  const pattern = text => {
    if (text === "") return null;
    try { return new RegExp(text, "i"); } catch { return { test: name => name.toLowerCase().includes(text.toLowerCase()) }; }
  };

  const tables = () => {
    for (const table of document.querySelectorAll("table.top")) {
      const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
      const say = make("span", { class: "soft", role: "status" });
      const title = table.closest("section").querySelector("h2").textContent;
      const search = make("input", { type: "search", placeholder: "Search by name or expression", "aria-label": `Search in: ${title}` });
      search.addEventListener("input", () => {
        const wanted = pattern(search.value.trim());
        let shown = 0;
        for (const row of rows) {
          row.hidden = wanted !== null && !wanted.test(row.cells[row.cells.length - 1].textContent);
          if (!row.hidden) shown++;
        }
        say.textContent = wanted === null ? "" : `${shown} of ${rows.length}`;
      });
      if (rows.length > 5) table.parentElement.before(make("div", { class: "tools" }, search, say));
      heads.forEach((head, column) => {
        // A running sum has one order only.
        if (head.classList.contains("sum")) return;
        const button = make("button", { type: "button", class: "sort" }, head.textContent);
        head.replaceChildren(button);
        button.addEventListener("click", () => {
          const isDown = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : head.classList.contains("n");
          for (const other of heads) other.removeAttribute("aria-sort");
          head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
          const key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
          const isNumber = head.classList.contains("n");
          body.append(...rows.sort((left, right) => {
            const order = isNumber ? Number(key(left).replace(/[^-0-9.e]/g, "")) - Number(key(right).replace(/[^-0-9.e]/g, "")) : key(left).localeCompare(key(right));
            return isDown ? -order : order;
          }));
        });
      });
    }
  };

  const chart = memory => {
    const holder = document.querySelector(".chart"), svg = holder?.querySelector("svg");
    if (!svg || !memory) return;
    const { left, right, top, bottom, highest, from, to } = Object.fromEntries(Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)]));
    const height = svg.viewBox.baseVal.height;
    // What stands on the time line moves into a window of its own, which cuts off what is outside of it.
    const plot = draw("svg", { x: left, y: 0, width: right - left + 20, height, viewBox: `${left} 0 ${right - left + 20} ${height}`, class: "plot" });
    const fixed = element => element.tagName === "text" && (Number(element.getAttribute("x")) < left + 10 || element.classList.contains("tick"));
    const moving = [...svg.children].filter(element => !fixed(element) && !element.classList.contains("grid"));
    svg.append(plot);
    plot.append(...moving);
    for (const text of [...svg.children].filter(element => /t-(limit|ceiling|threshold)/.test(element.getAttribute("class")))) svg.append(text);
    const original = moving.map(element => Object.fromEntries([...element.attributes].map(attribute => [attribute.name, attribute.value])));
    let view = [from, to];
    const atOf = x => view[0] + (x - left) / (right - left) * (view[1] - view[0]);
    const xOf = at => left + (at - view[0]) / (view[1] - view[0]) * (right - left);
    const moved = x => xOf(from + (x - left) / (right - left) * (to - from));
    const clock = (at, digits) => new Date(at).toISOString().slice(11, 19 + (digits ? digits + 1 : 0));
    const clear = () => { for (const old of svg.querySelectorAll(".tick")) old.remove(); };
    const refresh = () => {
      const isWhole = view[0] === from && view[1] === to;
      moving.forEach((element, number) => {
        const was = original[number];
        for (const name of ["x", "x1", "x2", "cx"])
          if (name in was) element.setAttribute(name, moved(Number(was[name])));
        if ("width" in was) element.setAttribute("width", Math.max(3, moved(Number(was.x) + Number(was.width)) - moved(Number(was.x))));
        if ("d" in was)
          element.setAttribute("d", was.d.replace(/([MLH])([-0-9.]+)/g, (_, letter, x) => letter + moved(Number(x)).toFixed(1)));
      });
      clear();
      const span = view[1] - view[0];
      const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 432e5, 864e5].find(step => span / step <= 9) ?? 864e5 * Math.ceil(span / 9 / 864e5);
      for (let at = Math.ceil(view[0] / every) * every; at <= view[1]; at += every) {
        svg.insertBefore(draw("line", { class: "grid tick", x1: xOf(at), x2: xOf(at), y1: top, y2: height - 24 }), svg.firstChild);
        if (xOf(at) < left + 30 || xOf(at) > right - 8) continue;
        const label = draw("text", { class: "tick", x: xOf(at), y: height - 8, "text-anchor": "middle" });
        label.textContent = every >= 864e5 ? new Date(at).toISOString().slice(5, 10) : every >= 6e4 ? clock(at).slice(0, 5) : clock(at, every >= 1e3 ? 0 : every >= 100 ? 1 : every >= 10 ? 2 : 3);
        svg.append(label);
      }
      back.disabled = isWhole;
      show(null);
    };
    const say = make("div", { class: "readout", role: "status" });
    const line = draw("line", { class: "cursor", y1: top, y2: bottom, x1: -9, x2: -9 });
    const dot = draw("circle", { class: "dot", r: 4, cx: -9, cy: -9 });
    plot.append(line, dot);
    let current = null;
    const hint = "Point at the chart for values, drag to zoom; by keyboard: arrows, + and −, Escape.";
    const show = index => {
      current = index;
      if (index === null) {
        for (const element of [line, dot]) { element.setAttribute("x1", -9); element.setAttribute("x2", -9); element.setAttribute("cx", -9); }
        say.textContent = hint;
        return;
      }
      const x = xOf(memory.start + memory.t[index]);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", bottom - Math.min(memory.used[index], highest) / highest * (bottom - top));
      const known = (name, words) => memory[name] && memory[name][index] >= 0 ? ` · ${words} ${bytes(memory[name][index])}` : "";
      const ceiling = memory.ceiling?.[index] > 0 ? memory.ceiling[index] : memory.limit?.[index];
      say.textContent = `${clock(memory.start + memory.t[index], 3)} UTC · working set ${bytes(memory.used[index])}`
        + (ceiling > 0 ? ` (${(memory.used[index] / ceiling * 100).toFixed(1)} % of the ceiling)` : "")
        + known("usage", "usage") + known("limit", "limit") + known("heap", "heap after GC") + known("outside", "outside of the heap");
    };
    const nearest = at => {
      let [low, high] = [0, memory.t.length - 1];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (memory.start + memory.t[middle] < at) low = middle; else high = middle;
      }
      return at - memory.start - memory.t[low] < memory.start + memory.t[high] - at ? low : high;
    };
    const zoom = (start, end) => {
      const least = Math.min(20, to - from);
      if (end - start < least) [start, end] = [(start + end - least) / 2, (start + end + least) / 2];
      view = [Math.max(from, start), Math.min(to, end)];
      refresh();
    };
    const by = factor => {
      const middle = current === null ? (view[0] + view[1]) / 2 : memory.start + memory.t[current];
      const kept = current, half = (view[1] - view[0]) / 2 * factor;
      zoom(middle - half, middle + half);
      if (kept !== null) show(kept);
    };
    const back = button("Whole", "Show the whole time", () => zoom(from, to));
    holder.before(make("div", { class: "tools" }, button("+", "Zoom in", () => by(0.5)), button("−", "Zoom out", () => by(2)), back));
    holder.after(say);
    holder.tabIndex = 0;
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", "Memory chart: arrows read values, plus and minus zoom, Escape shows all");
    const pointed = event => {
      const box = svg.getBoundingClientRect();
      return Math.min(right, Math.max(left, (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width));
    };
    const band = draw("rect", { class: "band", y: top, height: bottom - top, x: -9, width: 0 });
    plot.append(band);
    let begun = null;
    svg.addEventListener("pointerdown", event => { if (event.pointerType === "mouse" && event.button === 0) begun = pointed(event); });
    svg.addEventListener("pointermove", event => {
      const x = pointed(event);
      show(nearest(atOf(x)));
      if (begun === null) return;
      band.setAttribute("x", Math.min(begun, x));
      band.setAttribute("width", Math.abs(begun - x));
    });
    addEventListener("pointerup", event => {
      if (begun === null) return;
      const [start, end] = [begun, pointed(event)].sort((one, other) => one - other);
      begun = null;
      band.setAttribute("width", 0);
      if (end - start > 8) zoom(atOf(start), atOf(end));
    });
    svg.addEventListener("dblclick", () => zoom(from, to));
    svg.addEventListener("pointerleave", () => { if (begun === null) show(null); });
    holder.addEventListener("keydown", event => {
      const step = event.shiftKey ? 20 : 1, last = memory.t.length - 1;
      const action = {
        ArrowLeft: () => show(current === null ? last : Math.max(0, current - step)),
        ArrowRight: () => show(current === null ? 0 : Math.min(last, current + step)),
        "+": () => by(0.5), "=": () => by(0.5), "-": () => by(2), Escape: () => zoom(from, to),
      }[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
    refresh();
  };

  const graphs = () => {
    for (const holder of document.querySelectorAll(".callgraph")) {
      const svg = holder.querySelector("svg"), { width, height } = svg.viewBox.baseVal;
      let scale = 1;
      const size = wanted => {
        const middle = (holder.scrollLeft + holder.clientWidth / 2) / scale;
        scale = Math.min(4, Math.max(0.1, wanted));
        svg.setAttribute("width", width * scale);
        svg.setAttribute("height", height * scale);
        holder.scrollLeft = middle * scale - holder.clientWidth / 2;
      };
      const fit = () => size(Math.min(1, holder.clientWidth / width));
      holder.before(make("div", { class: "tools" }, button("+", "Enlarge the call graph", () => size(scale * 1.25)), button("−", "Make the call graph smaller", () => size(scale / 1.25)), button("Fit", "Fit the call graph into the page", fit)));
      const details = holder.closest("details");
      details.addEventListener("toggle", fit, { once: true });
      if (details.open) fit();
    }
  };

  // Columns to nodes: each stands after its caller.
  const treeOf = flame => {
    const way = [];
    for (let i = 0; i < flame.f.length; i++) {
      const node = { name: flame.names[flame.f[i]], value: flame.v[i], before: flame.b ? flame.b[i] : 0, callees: [], caller: null };
      way.length = flame.d[i];
      if (way.length > 0) {
        node.caller = way[way.length - 1];
        node.caller.callees.push(node);
      }
      way.push(node);
    }
    return way[0];
  };
  const inverted = root => {
    const top = { name: root.name, value: root.value, before: root.before, callees: [], caller: null };
    const waiting = [root];
    while (waiting.length > 0) {
      const node = waiting.pop();
      let [value, before] = [node.value, node.before];
      for (const callee of node.callees) {
        value -= callee.value;
        before -= callee.before;
        waiting.push(callee);
      }
      if (value === 0 && before === 0) continue;
      let at = top;
      for (let frame = node; frame !== null && frame !== root; frame = frame.caller) {
        let next = (at.known ??= new Map()).get(frame.name);
        if (!next) {
          next = { name: frame.name, value: 0, before: 0, callees: [], caller: at };
          at.known.set(frame.name, next);
          at.callees.push(next);
        }
        next.value += value;
        next.before += before;
        at = next;
      }
    }
    return top;
  };

  const flames = all => {
    const section = document.getElementById("flames");
    if (!section || all.length === 0) return;
    section.hidden = false;
    const Row = 20, Smallest = 0.0008;
    const state = { flame: all[0], isIcicle: true, isInverted: false, wanted: null, root: null, top: null };
    const select = make("select", { "aria-label": "What the widths show" });
    all.forEach((flame, number) => select.append(make("option", { value: number }, flame.title)));
    const toggle = (text, label, key) => {
      const button = make("button", { type: "button", "aria-pressed": state[key], title: label }, text);
      button.addEventListener("click", () => {
        state[key] = !state[key];
        button.setAttribute("aria-pressed", state[key]);
        begin(key === "isInverted");
      });
      return button;
    };
    const search = make("input", { type: "search", placeholder: "Search functions", "aria-label": "Search in the stacks" });
    const back = make("button", { type: "button" }, "Reset zoom");
    const found = make("span", { class: "soft", role: "status" });
    const graph = make("div", { class: "flame", role: "tree", "aria-label": "Stacks; arrows move, Enter zooms, Escape resets" });
    const says = make("div", { class: "readout", role: "status" });
    const legend = make("p", { class: "note" });
    section.append(make("div", { class: "tools" }, select, toggle("Icicle", "Outermost function at the top", "isIcicle"), toggle("Invert", "Begin with the innermost function", "isInverted"), back, search, found),
      make("div", { class: "flame-holder" }, graph), says, legend);
    const size = node => state.flame.b ? Math.max(Math.abs(node.value), Math.abs(node.before)) : Math.abs(node.value);
    const share = node => (size(node) / Math.max(1, size(state.root)) * 100).toFixed(1) + " %";
    const tell = node => {
      const change = node.value - node.before;
      return `${node.name}: ${format(node.value, state.flame.unit)}, ${share(node)}`
        + (state.flame.b ? `, ${change > 0 ? "+" : ""}${format(change, state.flame.unit)} since the baseline` : "");
    };
    const colour = node => {
      if (state.flame.b) {
        const change = node.value - node.before, most = Math.max(1, size(state.root));
        const strength = Math.min(1, Math.sqrt(Math.abs(change) / most));
        return change === 0 ? "hsl(220 10% 82%)" : change > 0 ? `hsl(6 85% ${88 - 30 * strength}%)` : `hsl(212 80% ${88 - 30 * strength}%)`;
      }
      let hash = 7;
      // A package has a colour of its own: what is beyond its last dot is the function.
      const end = node.name.lastIndexOf("/"), dot = node.name.indexOf(".", end + 1);
      for (const c of dot > 0 ? node.name.slice(0, dot) : node.name) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
      return `hsl(${18 + hash % 38} ${78 + hash % 17}% ${66 + hash % 11}%)`;
    };
    const boxes = new Map();
    const paint = focus => {
      graph.replaceChildren();
      boxes.clear();
      const placed = [];
      let deepest = 0;
      for (let node = state.top.caller, way = []; ; node = node.caller) {
        if (node) { way.push(node); continue; }
        way.reverse().forEach((caller, depth) => placed.push([caller, depth, 0, 1, true]));
        deepest = way.length;
        break;
      }
      const waiting = [[state.top, deepest, 0, 1]];
      while (waiting.length > 0) {
        const [node, depth, left, width] = waiting.pop();
        placed.push([node, depth, left, width, false]);
        deepest = Math.max(deepest, depth);
        const callees = [...node.callees].sort((one, other) => size(other) - size(one));
        const whole = Math.max(size(node), callees.reduce((sum, callee) => sum + size(callee), 0)) || 1;
        let at = left;
        for (const callee of callees) {
          const wide = width * size(callee) / whole;
          if (wide >= Smallest) waiting.push([callee, depth + 1, at, wide]);
          at += wide;
        }
      }
      graph.style.height = `${(deepest + 1) * Row}px`;
      let matched = 0;
      placed.sort((one, other) => one[1] - other[1] || one[2] - other[2]);
      for (const [node, depth, left, width, isWay] of placed) {
        const box = make("div", { role: "treeitem", "aria-level": depth + 1, tabindex: -1, "aria-label": tell(node), "data-name": node.name });
        if (width > 0.02) box.textContent = node.name;
        box.style.left = `${left * 100}%`;
        box.style.width = `${width * 100}%`;
        box.style[state.isIcicle ? "top" : "bottom"] = `${depth * Row}px`;
        box.style.background = node.caller === null ? "var(--rule)" : colour(node);
        if (node.caller === null) box.style.color = "var(--ink)";
        if (isWay) box.classList.add("way");
        if (state.wanted !== null) {
          const isFound = state.wanted.test(node.name);
          box.classList.add(isFound ? "found" : "dimmed");
          if (isFound) matched++;
        }
        boxes.set(box, node);
        graph.append(box);
      }
      // The share of what has such a function in its stack: what is under a match is not counted twice.
      if (state.wanted !== null) {
        let sum = 0;
        const look = [state.root];
        while (look.length > 0) {
          const node = look.pop();
          if (node !== state.root && state.wanted.test(node.name)) sum += size(node); else look.push(...node.callees);
        }
        found.textContent = `${matched} boxes, ${(sum / Math.max(1, size(state.root)) * 100).toFixed(1)} % of all`;
      } else found.textContent = "";
      back.disabled = state.top === state.root;
      const first = [...boxes].find(([, node]) => node === (focus ?? state.top))?.[0] ?? graph.firstChild;
      if (first) {
        first.tabIndex = 0;
        if (focus) first.focus();
      }
    };
    const begin = isNew => {
      if (isNew || state.root === null) {
        const tree = state.flame.tree ??= treeOf(state.flame);
        state.root = state.isInverted ? (state.flame.inverse ??= inverted(tree)) : tree;
        state.top = state.root;
      }
      says.textContent = tell(state.top);
      legend.textContent = (state.flame.b
        ? "Red has grown since the baseline, blue has shrunk; a box is as wide as the larger of the two. "
        : "A box is as wide as its share; its colour goes by its package. ")
        + "Shares too small to see are left out and stand as their callers' own.";
      paint();
    };
    const zoom = (node, focus) => {
      state.top = node;
      says.textContent = tell(node);
      paint(focus ? node : null);
    };
    select.addEventListener("change", () => { state.flame = all[Number(select.value)]; begin(true); });
    search.addEventListener("input", () => { state.wanted = pattern(search.value.trim()); paint(); });
    back.addEventListener("click", () => zoom(state.root));
    const boxOf = event => { const box = event.target.closest?.("[role=treeitem]"); return box && boxes.has(box) ? box : null; };
    graph.addEventListener("click", event => { const box = boxOf(event); if (box) zoom(boxes.get(box), true); });
    for (const kind of ["pointerover", "focusin"])
      graph.addEventListener(kind, event => { const box = boxOf(event); if (box) says.textContent = tell(boxes.get(box)); });
    graph.addEventListener("keydown", event => {
      const box = boxOf(event);
      if (!box) return;
      const node = boxes.get(box), isShown = other => [...boxes].find(entry => entry[1] === other)?.[0];
      const beside = step => {
        const level = [...boxes.keys()].filter(other => other.getAttribute("aria-level") === box.getAttribute("aria-level"));
        return level[level.indexOf(box) + step];
      };
      const [outer, inner] = [() => isShown(node.caller), () => [...node.callees].sort((one, other) => size(other) - size(one)).map(isShown).find(Boolean)];
      const target = {
        ArrowUp: state.isIcicle ? outer : inner, ArrowDown: state.isIcicle ? inner : outer, ArrowLeft: () => beside(-1), ArrowRight: () => beside(1),
      }[event.key];
      if (target) {
        event.preventDefault();
        const next = target();
        if (next) {
          box.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
        }
      } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        zoom(node, true);
      } else if (event.key === "Escape") zoom(state.root, true);
    });
    begin(true);
  };

  const data = JSON.parse(document.getElementById("report-data").textContent);
  // A part that fails leaves the others and the tables as they are.
  for (const part of [tables, () => chart(data.memory), () => flames(data.flames), graphs])
    try { part(); } catch (problem) { console.error(problem); }
})();
