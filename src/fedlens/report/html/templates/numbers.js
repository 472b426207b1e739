"use strict";
// The numbers behind the charts, as files to save and as tables.
(() => {
const start = () => {
  const { charts } = JSON.parse(document.getElementById("embedded").textContent);
  // A column may have a code of one or two bytes for each cell, which says which of its values this is.
  const listed = (column) => {
    if (!column.codes) return column;
    const bytes = Uint8Array.from(atob(column.codes), (letter) => letter.charCodeAt(0));
    return Array.from(column.size === 1 ? bytes : new Uint16Array(bytes.buffer), (code) => column.values[code]);
  };
  // The rows of a chart, the first of which are the names of the columns.
  const rowsOf = ({ columns }) => {
    const values = Object.values(columns).map(listed);
    return [Object.keys(columns), ...values[0].map((_, row) => values.map((column) => column[row]))];
  };

  const save = (text, name, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const quoted = (value) => {
    // A spreadsheet would run a word that begins like a formula.
    const word = value === null ? "" : typeof value === "string" ? value.replace(/^(?=[=+@\t\r-])/, "'") : String(value);
    return /[",\n\r]/.test(word) ? `"${word.replaceAll('"', '""')}"` : word;
  };
  const csv = (chart) => rowsOf(chart).map((row) => row.map(quoted).join(",") + "\r\n").join("");
  for (const button of document.querySelectorAll("button[data-save]")) {
    const name = button.dataset.save;
    button.addEventListener("click", () => save(csv(charts[name]), `${name}.csv`, "text/csv"));
  }
  for (const button of document.querySelectorAll("button[data-save-text]")) {
    const name = button.dataset.saveText;
    button.addEventListener("click", () => {
      save(document.querySelector(`[data-text="${name}"]`).textContent, name, "application/yaml");
    });
  }

  const cell = (value) => {
    if (value === null) return "–";
    return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value);
  };
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const table = (chart, title) => {
    const [names, ...rows] = rowsOf(chart);
    const made = element("table", null);
    made.append(element("caption", title));
    const head = made.createTHead().insertRow();
    head.append(...names.map((name) => element("th", name.replaceAll("_", " "), { scope: "col" })));
    const body = made.createTBody();
    for (const row of rows) {
      body.insertRow().append(...row.map((value) => element("td", cell(value), typeof value === "number" ? { class: "number" } : {})));
    }
    return made;
  };
  for (const details of document.querySelectorAll("details[data-table]")) {
    details.addEventListener("toggle", () => {
      const scroll = details.querySelector(".scroll");
      if (!details.open || scroll.hasChildNodes()) return;
      const title = details.closest("figure").querySelector("h3").textContent;
      scroll.append(table(charts[details.dataset.table], title));
    });
  }
};
start();
document.addEventListener("renewed", start); // by another script, which has put other charts in place of these
})();
