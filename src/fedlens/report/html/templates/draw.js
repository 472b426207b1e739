"use strict";
// Shows the charts by plotly.js, and again when a slider, a checkbox, the width, the theme or the printer asks for it.
(() => {
let life;
const start = () => {
  life?.abort();
  life = new AbortController();
  const { signal } = life;
  const { charts, template, dark } = JSON.parse(document.getElementById("embedded").textContent);
  const night = matchMedia("(prefers-color-scheme: dark)");
  const PRINT_WIDTH = 680; // of A4, less its margins
  const PRINT_HEIGHT = 230; // at most, but of lists of groups or classes
  let printing = false;

  const tinted = (value) => (night.matches && !printing ? dark[value] ?? value : value);
  const fresh = (value) => JSON.parse(JSON.stringify(value), (_, part) => (typeof part === "string" ? tinted(part) : part));

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

  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const boxes = all("input[data-toggle]");
  const draw = (figure) => {
    const { figures, slider, steps } = charts[figure.dataset.chart];
    const step = slider && String(steps[figure.querySelector("input[type=range]")?.value ?? 0]);
    const runs = new Set(boxes.filter((box) => !box.checked).map((box) => box.dataset.toggle));
    const series = new Set(all(".legend input:not(:checked)", figure).map((box) => box.dataset.series));
    const twins = document.querySelector("input[data-twins]")?.checked ?? true;
    all(".plot", figure).forEach((plot, index) => {
      plot.parentElement.hidden = runs.has(plot.parentElement.dataset.of);
      if (plot.parentElement.hidden) return;
      const { data, layout, frames } = fresh(figures[index]);
      frames?.find(({ name }) => name === step)?.data.forEach((part, trace) => Object.assign(data[trace], part));
      for (const trace of data) {
        trace.visible = !series.has(trace.name) && !runs.has(String(trace.meta?.toggle)) && (twins || !trace.meta?.twin);
      }
      Object.assign(layout, { template: fresh(template), width: plot.clientWidth, height: plot.clientHeight });
      layout.font = { family: getComputedStyle(document.body).fontFamily, ...(printing ? { size: 10 } : {}) };
      if (figure.matches(".wide")) { // names of groups are long; on a narrow page they take two lines
        const letters = Math.max(14, Math.floor(layout.width / 16));
        const tickvals = layout.yaxis.categoryarray;
        Object.assign(layout.yaxis, { tickvals, ticktext: tickvals.map((name) => inTwoLines(name, letters)), tickfont: { size: 11 } });
      }
      Plotly.react(plot, data, layout, { displayModeBar: false, responsive: false });
    });
  };

  const figures = all("figure[data-chart]");
  for (const figure of figures) {
    const slider = figure.querySelector("input[type=range]");
    slider?.addEventListener("input", () => {
      const { slider: name, steps } = charts[figure.dataset.chart];
      slider.setAttribute("aria-valuetext", `${name} ${steps[slider.value]}`);
      figure.querySelector("output").textContent = steps[slider.value];
      draw(figure);
    });
    figure.querySelector(".legend")?.addEventListener("change", () => draw(figure));
  }

  const toggled = () => figures.filter((figure) => !figure.querySelector(".legend")).forEach(draw);
  for (const toggles of all(".toggles")) {
    toggles.addEventListener("change", ({ target }) => { // a run has a box in each of these places
      for (const box of boxes) if (box.dataset.toggle === target.dataset.toggle) box.checked = target.checked;
      toggled();
    });
  }
  for (const button of all("button[data-all]")) {
    button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = button.dataset.all === "on"; });
      toggled();
    });
  }

  const recolour = () => all("[data-colour]").forEach((swatch) => { swatch.style.color = tinted(swatch.dataset.colour); });
  const themed = () => { recolour(); figures.forEach(draw); };
  night.addEventListener("change", themed, { signal });
  let waiting;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width || printing) return; // phones resize when their address bar goes
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(() => figures.forEach(draw), 150);
  }, { signal });
  // On paper the plots are as wide as the paper, and light.
  const onPaper = (now) => {
    if (printing === now) return;
    printing = now;
    for (const figure of figures) {
      const plots = all(".plot", figure);
      const beside = figure.matches(".pairs .chart:not(.wide)") ? 2 : 1; // charts, each with so many plots beside each other
      const across = beside === 2 ? 1 : plots.length === 4 ? 2 : Math.min(3, plots.length);
      const low = plots.length > across ? 0.65 * PRINT_HEIGHT : PRINT_HEIGHT;
      figure.style.setProperty("--across", across);
      plots.forEach((plot, index) => {
        const height = parseFloat(plot.style.getPropertyValue("--height"));
        const listed = charts[figure.dataset.chart].figures[index].layout.yaxis.type === "category";
        plot.style.width = now ? `${PRINT_WIDTH / (beside * across) - 12}px` : "";
        plot.style.height = now ? `${listed ? 0.75 * height : Math.min(height, low)}px` : "";
      });
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
