// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// Drift of each axis over time, drawn by Plotly. Only numbers and times of the data reach it, since it reads markup.
"use strict";
const SYMBOLS = { alarm: "triangle-up", warn: "diamond", unsure: "circle-open", ok: "circle", "": "circle-open" };
const MOST_SVG = 3000; // points of one plot; WebGL draws more

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function trace(rows, axis, style, links) {
  const known = rows.filter((r) => r.drift[axis] !== null && r.time !== null);
  return {
    type: known.length > MOST_SVG ? "scattergl" : "scatter",
    x: known.map((r) => new Date(r.time / 1000).toISOString()),
    y: known.map((r) => r.drift[axis]),
    customdata: known.map((r) => links.get(r)),
    error_y: { type: "data", array: known.map((r) => r.half[axis] ?? 0), color: style.line, thickness: style.thick, width: 0 },
    marker: { size: style.size, color: known.map((r) => style.mark(r.level)), symbol: known.map((r) => (style.symbols ? SYMBOLS[r.level] : "circle")) },
    mode: style.mode,
    line: { color: style.line, width: 1.5 },
    hovertemplate: `%{x|%Y-%m-%d %H:%M:%S}<br>%{y:+.2f} ± %{error_y.array:.2f} ${data.units[axis]}<extra>${style.name}</extra>`,
  };
}

function layout(axis) {
  const ink = colour("soft");
  const line = colour("line");
  return {
    margin: { l: 52, r: 10, t: 6, b: 34 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: 11, family: "system-ui, sans-serif" }, hoverlabel: { bgcolor: colour("card"), font: { color: colour("ink") } },
    xaxis: { type: "date", gridcolor: line, linecolor: line, nticks: 5 }, yaxis: { gridcolor: line, zerolinecolor: ink, zerolinewidth: 1.5, ticksuffix: ` ${data.units[axis]}`, nticks: 6 },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
}

// Draws six plots of windows and verdicts: rows with time, drift and half. links: Map from a window to its address.
async function drawPlots(box, windows, verdicts, links) {
  const grid = el("div", { class: "plots" });
  const divs = data.axes.map((axis, i) => {
    const div = el("div", { role: "img", "aria-label": `${axis} over time in ${data.units[i]}; the tables below have the numbers` });
    grid.append(el("div", { class: "plot" }, el("h3", null, axis), div));
    return div;
  });
  box.replaceChildren(grid);
  try {
    await script("plotly.min.js");
  } catch (error) {
    box.replaceChildren(el("p", { class: "card" }, `No plots: ${error.message}. The tables below have the numbers.`));
    return;
  }
  await new Promise(requestAnimationFrame); // a view is in the document one frame after it was made
  if (!grid.isConnected) return;
  const soft = colour("soft");
  const styles = [
    { name: "window", size: 4, thick: 1, mode: "markers", line: soft, mark: () => soft },
    { name: "verdict", size: 9, thick: 2.5, mode: "lines+markers", line: colour("band"), mark: (level) => colour(tone(level)), symbols: true },
  ];
  divs.forEach((div, axis) => {
    const traces = [windows, verdicts].map((rows, i) => trace(rows, axis, styles[i], links));
    Plotly.newPlot(div, traces, layout(axis), { responsive: true, displayModeBar: false });
    div.on("plotly_click", (event) => {
      const to = event.points[0]?.customdata;
      if (to) location.hash = to;
    });
  });
  box.dataset.drawn = "yes";
}
