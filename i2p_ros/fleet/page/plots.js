// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// Drift of each axis over time, drawn by Plotly. Only numbers and times of the data reach it, since it reads markup.
"use strict";
const SYMBOLS = { alarm: "triangle-up", warn: "diamond" }; // of an axis that moved; of the others a circle
const USUAL = 4; // median intervals: a longer one would flatten all others, and is cut off at the edge of its plot
const MOST = 1500; // windows of one plot: more take seconds, and WebGL, which draws more, is not everywhere

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Places on the horizontal axis: times, or one step for each recording in which its windows spread over 0.7.
function placing(rows, even) {
  if (!even) return { place: (r) => new Date(r.time / 1000).toISOString(), axis: { type: "date", nticks: 5 } };
  const spans = new Map(); // recording to first and last time
  for (const r of rows) {
    const [first, last] = spans.get(r.recording) ?? [r.time, r.time];
    spans.set(r.recording, [Math.min(first, r.start ?? r.time), Math.max(last, r.time)]);
  }
  const order = [...spans].sort((a, b) => a[1][0] - b[1][0]).map(([recording]) => recording);
  const place = (r) => {
    const [first, last] = spans.get(r.recording);
    return order.indexOf(r.recording) + (r.moved ? 0.8 : (0.7 * (r.time - first)) / Math.max(last - first, 1));
  };
  const step = Math.ceil(order.length / 4);
  const ticks = order.map((recording, i) => [i + 0.4, time(spans.get(recording)[0]).slice(0, 10)]).filter((_, i) => i % step === 0);
  return { place, axis: { tickvals: ticks.map((t) => t[0]), ticktext: ticks.map((t) => t[1]), tickangle: 0, range: [-0.2, order.length] } };
}

function trace(rows, axis, style, place) {
  const known = rows.filter((r) => r.drift[axis] !== null);
  const level = (r) => (r.moved?.includes(axis) ? r.level : null);
  return {
    type: "scatter",
    x: known.map(place),
    y: known.map((r) => r.drift[axis]),
    customdata: known.map((r) => [time(r.time, true), r.href, unsigned(r.half[axis])]),
    error_y: { type: "data", array: known.map((r) => r.half[axis] ?? 0), color: style.bar, thickness: style.thick, width: 0 },
    marker: { size: style.size, color: known.map((r) => style.mark(level(r))), symbol: known.map((r) => SYMBOLS[level(r)] ?? "circle") },
    mode: style.mode,
    line: { color: style.bar, width: 1.5 },
    hovertemplate: `%{customdata[0]}<br>%{y:+.2f} ± %{customdata[2]} ${data.units[axis]}<extra>${style.name}</extra>`,
  };
}

// The vertical range of a plot, which has zero, what moved, and all intervals of usual length; and whether others are cut.
function vertical(rows, axis) {
  const known = rows.filter((r) => r.drift[axis] !== null);
  const half = (r) => r.half[axis] ?? 0;
  const halves = known.map(half).filter((length) => length > 0).sort((a, b) => a - b);
  const longest = USUAL * (halves[halves.length >> 1] ?? 0);
  const shown = known.filter((r) => half(r) <= longest || r.moved?.includes(axis));
  const low = Math.min(0, ...shown.map((r) => r.drift[axis] - half(r)));
  const high = Math.max(0, ...shown.map((r) => r.drift[axis] + half(r)));
  const room = 0.08 * (high - low) || 1;
  return { range: [low - room, high + room], cut: shown.length < known.length };
}

function layout(axis, horizontal, range) {
  const ink = colour("soft");
  const line = colour("line");
  return {
    margin: { l: 56, r: 10, t: 6, b: 34 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
    font: { color: ink, size: 11, family: "system-ui, sans-serif" }, hoverlabel: { bgcolor: colour("card"), font: { color: colour("ink") } },
    xaxis: { gridcolor: line, linecolor: line, zeroline: false, ...horizontal }, yaxis: { range, gridcolor: line, zerolinecolor: ink, zerolinewidth: 1.5, ticksuffix: ` ${data.units[axis]}`, nticks: 6 },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
}

// Draws a plot of each axis into a box: windows and verdicts, rows with time, drift and half.
async function drawPlots(box, { windows, verdicts, moved, even, to }) {
  const grid = el("div", { class: "plots" });
  const divs = data.axes.map((axis, i) => {
    const div = el("div", { role: "img", "aria-label": `${axis} over time in ${data.units[i]}; the tables below have the numbers` });
    grid.append(el("div", { class: "plot" }, el("h3", null, axis, moved.includes(i) && " – moved"), div));
    return div;
  });
  delete box.dataset.drawn;
  box.replaceChildren(grid);
  try {
    await script("plotly.min.js");
  } catch (error) {
    box.replaceChildren(el("p", { class: "card" }, `No plots: ${error.message}. The tables below have the numbers.`));
    return;
  }
  await new Promise(requestAnimationFrame); // a view is in the document one frame after it was made
  if (!grid.isConnected) return;
  const dated = (r) => r.time !== null;
  const step = Math.ceil(windows.length / MOST);
  const thinned = windows.filter((w, i) => dated(w) && i % step === 0);
  if (step > 1) box.append(el("p", { class: "thinned" }, `The plots show ${thinned.length.toLocaleString("en")} of ${counted(windows.length, "window")}. The table below has all.`));
  const tasks = [...new Set(verdicts.map((v) => v.task))]; // a line joins verdicts of one task
  const rows = [thinned.map((w) => ({ ...w, href: to(w) })), ...tasks.map((task) => verdicts.filter((v) => v.task === task && dated(v)))];
  const { place, axis: horizontal } = placing(rows.flat(), even);
  const ranges = data.axes.map((_, axis) => vertical(rows.flat(), axis));
  if (ranges.some(({ cut }) => cut)) box.append(el("p", { class: "cut" }, "Long intervals leave the plots. A double click on a plot shows them whole."));
  const styles = [
    { name: "window", size: 5, thick: 1, mode: "markers", bar: colour("faint"), mark: () => colour("soft") },
    { name: "verdict", size: 10, thick: 3, mode: "lines+markers", bar: colour("band"), mark: (level) => colour(level ?? "band") },
  ];
  divs.forEach((div, axis) => {
    const traces = rows.map((list, i) => trace(list, axis, styles[Math.min(i, 1)], place));
    Plotly.newPlot(div, traces, layout(axis, horizontal, ranges[axis].range), { responsive: true, displayModeBar: false });
    div.on("plotly_click", (event) => {
      const link = event.points[0]?.customdata[1];
      if (link) location.hash = link;
    });
  });
  box.dataset.drawn = "yes";
}
