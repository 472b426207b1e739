"use strict";
// Draws the charts, and redraws them when a slider, a checkbox, the width, the theme or the printer asks for it.
(() => {
let life;
const start = () => {
  life?.abort();
  life = new AbortController();
  const { signal } = life;
  const charts = JSON.parse(document.getElementById("embedded").textContent).charts;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Okabe and Ito's colours that a dark page would swallow, and what stands for them there.
  const onDark = { "#000000": "#f0f0f0", "#0072B2": "#56B4E9", "#56B4E9": "#3D8FD1", "#808080": "#a8b0b9" };
  const PRINT_WIDTH = 680; // of A4, less its margins
  const PRINT_HEIGHT = 230; // at most, but of lists of groups or classes
  let printing = false;

  const isDark = () => dark.matches && !printing;
  const themes = () => (isDark()
    ? { ink: "#e8eaed", faint: "#a8b0b9", grid: "#31373e", paper: "#14171a", full: "#56B4E9" }
    : { ink: "#1a1d21", faint: "#555b63", grid: "#dfe3e7", paper: "#ffffff", full: "#0072B2" });

  const tinted = (value) => {
    if (typeof value === "string") return isDark() ? onDark[value] ?? value : value;
    if (Array.isArray(value)) return value.map(tinted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, tinted(below)]));
    }
    return value;
  };

  // plotly.js takes some tags in words for instructions.
  const lettered = (value) => (typeof value === "string"
    ? value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;") : value);

  const rowsOf = (chart, where, step) => {
    const wanted = Object.entries(where ?? {});
    if (chart.slider) wanted.push([chart.slider, step]);
    const count = Object.values(chart.columns)[0].length;
    return [...Array(count).keys()].filter((row) => wanted.every(([name, value]) => chart.columns[name][row] === value));
  };

  const resolved = (chart, trace, step) => {
    const { from, where, hollow, spans, ...drawn } = structuredClone(trace);
    const rows = rowsOf(chart, where, step);
    for (const [attribute, name] of Object.entries(from ?? {})) {
      if (!Array.isArray(name)) drawn[attribute] = rows.map((row) => lettered(chart.columns[name][row]));
    }
    if (spans) { // an upright bar for each row, with a gap after it
      const [low, high] = from.y.map((name) => chart.columns[name]);
      const measured = rows.filter((row) => low[row] !== null);
      drawn.x = measured.flatMap((row) => [chart.columns[from.x][row], chart.columns[from.x][row], null]);
      drawn.y = measured.flatMap((row) => [low[row], high[row], null]);
    }
    if (hollow) drawn.marker.symbol = rows.map((row) => drawn.marker.symbol + (chart.columns[hollow][row] ? "" : "-open"));
    const many = rows.length > 60;
    if (drawn.mode === "lines+markers") {
      drawn.marker = { size: many ? 4 : 7, ...drawn.marker };
      drawn.line = { width: 2, ...drawn.line };
    }
    if (drawn.mode === "markers" && new Set(drawn.x).size > 60) drawn.marker.size *= 0.6;
    if (drawn.colorscale === "page") drawn.colorscale = [[0, themes().paper], [1, themes().full]];
    drawn.name = lettered(drawn.name);
    return tinted(drawn);
  };

  const layoutOf = (panel, plot, traces) => {
    const { ink, faint, grid, paper } = themes();
    const given = tinted(structuredClone(panel.layout));
    const axis = (own = {}) => ({
      gridcolor: grid, zerolinecolor: grid, linecolor: faint, tickcolor: faint, fixedrange: true, automargin: true,
      ...own, title: { standoff: 8, ...own.title },
    });
    const width = plot.clientWidth;
    const labelled = given.yaxis?.wide;
    if (labelled) delete given.yaxis.wide;
    const layout = {
      width, height: plot.clientHeight, autosize: false, dragmode: false, showlegend: false,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: printing ? 10 : 12, color: ink },
      margin: { l: 48, r: 12, t: 12, b: 40 },
      hoverlabel: { bgcolor: paper, font: { color: ink }, namelength: -1 },
      ...given, xaxis: axis(given.xaxis), yaxis: axis(given.yaxis),
    };
    if (labelled) { // names of groups are long; on a narrow page they take two lines
      const letters = Math.max(14, Math.floor(width / 16));
      const names = [...new Set(traces.flatMap((trace) => trace.y))].filter((name) => name !== null); // between lines
      layout.yaxis.tickvals = names;
      layout.yaxis.ticktext = names.map((name) => inTwoLines(name, letters));
      layout.yaxis.tickfont = { size: 11 };
    }
    return layout;
  };

  // A name in at most two lines, broken after a comma, a space or a hyphen; what tells groups apart is at either end.
  const inTwoLines = (name, letters) => {
    if (name.length <= letters) return name;
    const lines = [""];
    for (const piece of name.split(/(?<=[,\s-])/)) {
      if (lines.at(-1).length + piece.trimEnd().length > letters && lines.at(-1)) lines.push("");
      lines[lines.length - 1] += piece;
    }
    if (lines.length === 2 && lines.every((line) => line.trim().length <= letters)) return lines.join("<br>");
    return `${name.slice(0, letters - 1)}…<br>…${name.slice(1 - letters)}`;
  };

  // Traces of one name, in whichever panel, are shown and hidden together.
  const names = [...new Set(Object.values(charts).flatMap((chart) => chart.panels.flatMap(
    (panel) => panel.traces.map((trace) => trace.name))))];
  const seriesOf = (trace) => names.indexOf(trace.name);

  const signs = {
    circle: "●", square: "■", diamond: "◆", "triangle-up": "▲", "triangle-down": "▼", cross: "✚", x: "✖", star: "★",
    "circle-open": "○", "line-ns-open": "│", "line-ew-open": "━", "x-thin-open": "✕",
  };
  const dashes = { dash: "7 4", longdashdot: "10 3 2 3", dashdot: "6 3 2 3", dot: "2 3" };
  const sample = (trace) => {
    const colour = trace.marker?.color ?? trace.line?.color;
    const part = (name, attributes, text) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (text) made.textContent = text;
      return made;
    };
    const picture = part("svg", { width: 34, height: 16, "aria-hidden": "true", "data-colour": colour });
    if (trace.mode?.includes("lines")) {
      const dash = dashes[trace.line?.dash] ?? "none";
      picture.append(part("line", {
        x1: 1, x2: 33, y1: 8, y2: 8, stroke: "currentColor", "stroke-width": 2.5, "stroke-dasharray": dash,
      }));
    }
    if (trace.type === "bar" || trace.mode?.includes("markers")) {
      const sign = signs[trace.marker?.symbol ?? (trace.type === "bar" ? "square" : "circle")] ?? "●";
      picture.append(part("text", { x: 17, y: 13, "text-anchor": "middle", "font-size": 14, fill: "currentColor" }, sign));
    }
    return picture;
  };
  const addLegend = (figure) => {
    const chart = charts[figure.dataset.chart];
    const legend = figure.querySelector(".legend");
    const every = chart.panels.flatMap((panel) => panel.traces).filter((trace) => trace.name && trace.type !== "heatmap");
    const different = every.filter((trace, index) => every.findIndex((other) => other.name === trace.name) === index);
    if (!legend || different.length < 2) return;
    for (const trace of different) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", checked: true });
      box.dataset.series = seriesOf(trace);
      box.addEventListener("change", () => draw(figure));
      label.append(box, sample(trace), ` ${trace.name}`);
      legend.append(label);
    }
  };

  const shown = { hidden: new Set(), twins: true };
  const visible = (trace, figure) => {
    const toggle = trace.meta?.toggle;
    if (figure.querySelector(`.legend input[data-series="${seriesOf(trace)}"]`)?.checked === false) return false;
    return toggle === undefined || (!shown.hidden.has(toggle) && (shown.twins || !trace.meta.twin));
  };

  const draw = (figure) => {
    const chart = charts[figure.dataset.chart];
    const slider = figure.querySelector("input[type=range]");
    const step = chart.slider ? chart.steps[slider ? Number(slider.value) : 0] : null;
    for (const plot of figure.querySelectorAll(".plot")) {
      const panel = chart.panels[Number(plot.dataset.panel)];
      plot.parentElement.hidden = shown.hidden.has(panel.toggle);
      if (plot.parentElement.hidden) continue;
      const traces = panel.traces.map((trace) => ({ ...resolved(chart, trace, step), visible: visible(trace, figure) }));
      Plotly.react(plot, traces, layoutOf(panel, plot, traces), { displayModeBar: false, responsive: false });
    }
  };
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const drawAll = () => figures.forEach(draw);
  figures.forEach(addLegend);

  for (const figure of figures) {
    const slider = figure.querySelector("input[type=range]");
    slider?.addEventListener("input", () => {
      const { slider: name, steps } = charts[figure.dataset.chart];
      const step = steps[Number(slider.value)];
      slider.setAttribute("aria-valuetext", `${name} ${step}`);
      figure.querySelector("output").textContent = step;
      draw(figure);
    });
  }

  const toggled = () => {
    for (const figure of figures) {
      const { panels } = charts[figure.dataset.chart];
      if (panels.some((panel) => panel.toggle !== null || panel.traces.some((trace) => trace.meta))) draw(figure);
    }
  };
  const boxes = [...document.querySelectorAll("input[data-toggle]")];
  const readBoxes = () => {
    shown.hidden = new Set(boxes.filter((box) => !box.checked).map((box) => Number(box.dataset.toggle)));
    shown.twins = document.querySelector("input[data-twins]")?.checked ?? true;
    toggled();
  };
  for (const toggles of document.querySelectorAll(".toggles")) {
    toggles.addEventListener("change", ({ target }) => { // a run has a box in each of these places
      for (const box of boxes) if (box.dataset.toggle === target.dataset.toggle) box.checked = target.checked;
      readBoxes();
    });
  }
  for (const button of document.querySelectorAll("button[data-all]")) {
    button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = button.dataset.all === "on"; });
      readBoxes();
    });
  }

  const recolour = () => {
    for (const swatch of document.querySelectorAll("[data-colour]")) swatch.style.color = tinted(swatch.dataset.colour);
  };
  let waiting;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width || printing) return; // phones resize when their address bar goes
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  }, { signal });
  const themed = () => { recolour(); drawAll(); };
  dark.addEventListener("change", themed, { signal });
  // On paper the plots are as wide as the paper, and light.
  const onPaper = (now) => {
    if (printing === now) return;
    printing = now;
    for (const figure of figures) {
      const plots = [...figure.querySelectorAll(".plot")];
      const beside = figure.matches(".pairs .chart:not(.wide)") ? 2 : 1; // charts, each with so many plots beside each other
      const across = beside === 2 ? 1 : plots.length === 4 ? 2 : Math.min(3, plots.length);
      const low = plots.length > across ? 0.65 * PRINT_HEIGHT : PRINT_HEIGHT;
      figure.style.setProperty("--across", across);
      const { panels } = charts[figure.dataset.chart];
      for (const plot of plots) {
        const { height, layout } = panels[Number(plot.dataset.panel)];
        const listed = layout.yaxis?.type === "category" || layout.yaxis?.scaleanchor;
        plot.style.width = now ? `${PRINT_WIDTH / (beside * across) - 12}px` : "";
        const lower = listed ? 0.75 * height : Math.min(height, low);
        plot.style.height = `${now ? lower : height}px`;
      }
    }
    themed();
  };
  addEventListener("beforeprint", () => onPaper(true), { signal });
  addEventListener("afterprint", () => onPaper(false), { signal });
  // What is in sight first; the others one by one, so that a page that is followed answers meanwhile.
  const inSight = (figure) => {
    const { top, bottom } = figure.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };
  const [first, later] = [true, false].map((now) => figures.filter((figure) => inSight(figure) === now));
  const drawNext = () => {
    if (signal.aborted) return;
    if (later.length) draw(later.shift());
    document.documentElement.dataset.drawn = String(!later.length);
    if (later.length) setTimeout(drawNext);
  };
  recolour();
  first.forEach(draw);
  document.documentElement.dataset.drawn = "false";
  setTimeout(drawNext);
};
start();
document.addEventListener("renewed", start); // by another script, which has put other charts in place of these
})();
