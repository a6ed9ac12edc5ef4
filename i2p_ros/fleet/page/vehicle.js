// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// One vehicle: its state, the drift of each axis over time, and its windows, recordings and refusals.
"use strict";

async function vehicleData(name) {
  const place = data.vehicles.findIndex((v) => v.name === name);
  if (place < 0) return null;
  const vehicle = await loaded(`vehicle${place}`, `vehicles/${place}.js`);
  if (vehicle && !vehicle.keys) {
    vehicle.keys = new Map(); // window by its key in the address
    for (const w of vehicle.windows) {
      const key = `${vehicle.recordings[w.recording].id}~${w.time}~${w.rig}`;
      let free = key;
      for (let i = 2; vehicle.keys.has(free); i++) free = `${key}~${i}`;
      w.key = free;
      vehicle.keys.set(free, w);
    }
  }
  return vehicle;
}

const rigName = (vehicle, rig) => `${vehicle.rigs[rig][0] || "unknown camera"} on ${vehicle.rigs[rig][1] || "unknown lidar"}`;
const windowHref = (vehicle, w, ...more) => href("vehicle", vehicle.name, w.key, ...more);

function crumbs(...links) {
  return el("nav", { "aria-label": "Path" }, links.map(([label, to], i) => [i > 0 && el("span", { "aria-hidden": "true" }, "›"), el("a", { href: to, "data-up": i === links.length - 1 }, label)]));
}

function axisTable(caption, columns, row, mark = () => null) {
  return el(
    "div", { class: "card wide" },
    el("table", { class: "axes" }, el("caption", { class: "hidden" }, caption), el("thead", null, el("tr", null, columns.map((c, i) => el("th", { scope: "col", class: i && "n" }, c)))), el("tbody", null, data.axes.map((axis, i) => el("tr", null, el("th", { scope: "row" }, axis, mark(i)), row(i))))),
  );
}

function stateItem(vehicle, state) {
  const verdict = vehicle.verdicts[state.verdict];
  const newest = vehicle.verdicts[state.newest];
  const rest = verdict.text === state.says ? "" : verdict.text.split("; ").filter((part) => !/^[tr][xyz] moved by /.test(part)).join("; ");
  const later = state.newest !== state.verdict && `; the newest verdict, ${time(newest.end)}, is ${word(newest.level)}`;
  return el(
    "li", { class: tone(state.level) },
    badge(state.level), ` ${rigName(vehicle, state.rig)}, ${state.task}`,
    el("p", { class: "says" }, plain(state.says) || "nothing moved"),
    el("p", null, `verdict of ${time(verdict.end)} UTC from ${counted(verdict.windows ?? 0, "window")} and ${counted(verdict.pairs ?? 0, "pair")}`, later),
    rest && el("p", null, plain(rest)),
  );
}

function windowsTable(vehicle, windows) {
  const row = (w) =>
    el(
      "tr", null,
      td(el("a", { class: "row time", href: windowHref(vehicle, w) }, time(w.time, true))),
      td(badge(w.level)),
      td(plain(w.text), { class: "says beside" }),
      td(rigName(vehicle, w.rig), { class: "desk" }),
      td(w.frames === null ? "" : String(w.frames), { class: "n desk" }),
      td(w.picture ? el("img", { class: "thumb", src: w.picture, alt: "", loading: "lazy" }) : ""),
    );
  return rowsTable("Windows", ["Window (UTC)", "Level", "What", "Camera", "Frames", "Overlay"], windows, row, { batch: 20, main: true });
}

function recordingsTable(vehicle) {
  const lines = vehicle.recordings.map((recording, i) => ({ recording, verdicts: vehicle.verdicts.filter((v) => v.recording === i) }));
  const flat = lines.flatMap(({ recording, verdicts }) => (verdicts.length ? verdicts : [null]).map((verdict) => ({ recording, verdict })));
  flat.sort((a, b) => (b.verdict?.end ?? -1) - (a.verdict?.end ?? -1));
  const row = ({ recording, verdict }) =>
    el(
      "tr", null,
      td(verdict ? `${time(verdict.start)} – ${time(verdict.end).slice(11)}` : "", { class: "time" }),
      td(badge(verdict ? verdict.level : "")),
      td([verdict ? plain(verdict.text) : refusedFor(vehicle, recording), findings(recording)], { class: "says" }),
      td(recording.uri || recording.id, { class: "uri" }),
      td(verdict ? verdict.task : "", { class: "desk" }),
      td(verdict && verdict.pairs !== null ? String(verdict.pairs) : "", { class: "n desk" }),
    );
  return rowsTable("Recordings", ["From – to (UTC)", "Level", "What", "Recording", "Task", "Pairs"], flat, row, { batch: 20 });
}

// Whether time between recordings is so much longer than they are that a plot over time would show each as one line.
function farApart(verdicts) {
  const known = verdicts.filter((v) => v.start !== null && v.end !== null);
  const inside = known.reduce((sum, v) => sum + v.end - v.start, 0);
  return known.length > 1 && known.at(-1).end - known[0].start > 5 * inside;
}

function refusedFor(vehicle, recording) {
  const found = vehicle.refused.find((r) => (recording.uri && r.uri === recording.uri) || (recording.id && r.recording === recording.id));
  return found ? `refused: ${found.reason}` : "";
}

function findings(recording) {
  const list = (recording.findings ?? []).map(([level, text, cure]) => el("li", null, `${level}: ${text}`, cure && ` – ${cure}`));
  return list.length > 0 && el("details", null, el("summary", null, `check: ${recording.check || "done"}, ${counted(list.length, "finding")}`), el("ul", null, list));
}

function pairsTable(vehicle) {
  const row = (p) => {
    const total = Object.values(p.status).reduce((a, b) => a + b, 0);
    const ok = p.status.ok ?? 0;
    const others = Object.entries(p.status).filter(([status]) => status !== "ok").map(([status, n]) => `${n} ${status}`);
    const recording = vehicle.recordings[p.recording];
    return el(
      "tr", null,
      td(time(p.time), { class: "time" }), td(`${ok} of ${total} (${((100 * ok) / total).toFixed(0)} %)`, { class: "n" }), td(others.join(", "), { class: "says" }),
      td(p.confidence === null ? "" : p.confidence.toFixed(2), { class: "n", "data-name": "confidence" }),
      td(p.error_m === null ? "" : `${(100 * p.error_m).toFixed(1)} cm, ${p.error_deg === null ? "unknown" : p.error_deg.toFixed(2)} deg`, { class: "n", "data-name": "error" }),
      td(recording.uri || recording.id, { class: "uri" }),
    );
  };
  return rowsTable("Localized pairs", ["From (UTC)", "Localized", "Without a pose", "Median confidence", "Median error", "Recording"], vehicle.pairs, row, { batch: 20 });
}

async function vehicleView(view, name) {
  const vehicle = await vehicleData(name);
  if (!vehicle) return false;
  const level = vehicle.states[0]?.level ?? "";
  const plots = el("div");
  const list = el("div");
  const shown = { rig: vehicle.states[0]?.rig ?? 0, order: "time", even: farApart(vehicle.verdicts) };

  function draw() {
    const mine = (r) => r.rig === shown.rig;
    const windows = vehicle.windows.filter(mine);
    const verdicts = vehicle.verdicts.filter(mine).map((v) => ({ ...v, time: v.end ?? v.start }));
    const newest = [...windows].reverse();
    if (shown.order === "worst") newest.sort((a, b) => RANK[b.level] - RANK[a.level]);
    list.replaceChildren(windows.length ? windowsTable(vehicle, newest) : el("p", { class: "card" }, "There is no window."));
    const state = vehicle.states.find((s) => mine(s) && vehicle.verdicts[s.verdict].drift.some((d) => d !== null));
    const moved = state?.moved ?? [];
    axes.replaceChildren();
    if (state) {
      const v = vehicle.verdicts[state.verdict];
      axes.append(el("p", { class: "of" }, `${state.verdict === state.newest ? "The newest" : "The last decided"} verdict of ${state.task}, ${time(v.end)} UTC:`));
      axes.append(axisTable("Axes", ["Axis", "Drift", "95 %", "Detectable"], (i) => [td(`${signed(v.drift[i])} ${data.units[i]}`, { class: "n" }), td(`± ${unsigned(v.half[i])}`, { class: "n" }), td(unsigned(v.detectable[i]), { class: "n" })], (i) => moved.includes(i) && el("b", { class: `tone ${tone(state.level)}` }, ` ${GLYPHS[state.level]} moved`)));
    }
    if (windows.length || verdicts.length) drawPlots(plots, { windows, verdicts, moved, even: shown.even, to: (w) => windowHref(vehicle, w) });
    else plots.replaceChildren();
  }

  const axes = el("div");
  const rigs = vehicle.rigs.length > 1 && el("label", null, "Camera", el("select", { id: "rig", onchange: (e) => { shown.rig = Number(e.target.value); draw(); } }, vehicle.rigs.map((_, i) => el("option", { value: i, selected: i === shown.rig }, rigName(vehicle, i)))));
  const order = el("label", null, "Order", el("select", { id: "order", onchange: (e) => { shown.order = e.target.value; draw(); } }, el("option", { value: "time" }, "newest first"), el("option", { value: "worst" }, "worst first")));
  const spacing = el("label", null, "Horizontal axis", el("select", { id: "spacing", onchange: (e) => { shown.even = e.target.value === "even"; draw(); } }, el("option", { value: "even", selected: shown.even }, "one step a recording"), el("option", { value: "time", selected: !shown.even }, "time")));
  const some = vehicle.rigs.length > 0;
  const jumps = el("div", { class: "steps jumps" });
  view.replaceChildren(
    crumbs(["Fleet", fleetHome()]),
    el("h1", { tabindex: -1 }, name, badge(level)),
    jumps,
    vehicle.states.length ? el("ul", { class: "states" }, vehicle.states.map((s) => stateItem(vehicle, s))) : el("p", null, "There is no verdict on this vehicle."),
    ...(some ? [
      el("h2", null, "Drift over time"),
      el("p", null, "Large marks are verdicts: ", el("b", { class: "tone alarm" }, "▲ moved, alarm"), ", ", el("b", { class: "tone warn" }, "◆ moved, warn"), ", ", el("b", { class: "tone band" }, "● steady"), ". Small dots are single windows; a click opens one. Vertical lines are 95 % intervals."),
      el("div", { class: "tools" }, rigs, spacing), plots, axes,
      el("h2", null, "Windows"), el("div", { class: "tools" }, order), list,
    ] : []),
    ...(vehicle.pairs.length ? [el("h2", null, "Localized pairs"), pairsTable(vehicle)] : []),
    ...(vehicle.refused.length ? [el("h2", null, "Refused recordings"), refusedTable(vehicle.refused, false)] : []),
    ...(vehicle.recordings.length ? [el("h2", null, "Recordings"), recordingsTable(vehicle)] : []),
  );
  if (some) draw();
  for (const heading of view.querySelectorAll("h2")) {
    heading.tabIndex = -1;
    jumps.append(el("button", { type: "button", onclick: () => { heading.scrollIntoView(); heading.focus({ preventScroll: true }); } }, heading.textContent));
  }
  return true;
}
