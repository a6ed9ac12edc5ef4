// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// The table of vehicles. Its filters and its order are in the address, so that a link and the back button keep them.
"use strict";
const SORTS = {
  worst: ["worst first", (v) => [RANK[v.level], v.shift], -1],
  name: ["vehicle", (v) => [v.name], 1],
  shift: [`shift at ${data.range} m`, (v) => [v.shift], -1],
  last: ["last verdict", (v) => [v.last ?? -Infinity], -1],
  recordings: ["recordings", (v) => [v.recordings], -1],
  refused: ["refused", (v) => [v.refused], -1],
};
const tasks = [...new Set(data.vehicles.flatMap((v) => v.tasks))].sort();

function fleetQuery(text) {
  const query = new URLSearchParams(text);
  const sort = query.get("sort") in SORTS ? query.get("sort") : "worst";
  const levels = (query.get("level") ?? "").split(",").map((l) => (l === "none" ? "" : l));
  return {
    text: query.get("q") ?? "",
    levels: query.has("level") ? LEVELS.filter((l) => levels.includes(l)) : [],
    task: query.get("task") ?? "",
    sort,
    way: Number(query.get("way")) === -SORTS[sort][2] ? -SORTS[sort][2] : SORTS[sort][2],
  };
}

function fleetAddress(wanted) {
  const query = new URLSearchParams();
  if (wanted.text) query.set("q", wanted.text);
  if (wanted.levels.length) query.set("level", wanted.levels.map((l) => l || "none").join(","));
  if (wanted.task) query.set("task", wanted.task);
  if (wanted.sort !== "worst") query.set("sort", wanted.sort);
  if (wanted.way !== SORTS[wanted.sort][2]) query.set("way", wanted.way);
  return query.size ? `#/?${query}` : "#/";
}

function chosen(wanted) {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const [, key, usual] = SORTS[wanted.sort];
  const names = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (typeof a === "string" ? names.compare(a, b) : a < b ? -1 : a > b ? 1 : 0);
  return data.vehicles
    .map((vehicle, place) => ({ vehicle, place, keys: key(vehicle) }))
    .filter(({ vehicle: v }) => {
      const text = `${v.name} ${v.says} ${word(v.level)}`.toLowerCase();
      return words.every((w) => text.includes(w)) && (!wanted.levels.length || wanted.levels.includes(v.level)) && (!wanted.task || v.tasks.includes(wanted.task));
    })
    .sort((a, b) => {
      for (let i = 0; i < a.keys.length; i++) {
        const order = compare(a.keys[i], b.keys[i]);
        if (order) return wanted.way * order;
      }
      return names.compare(a.vehicle.name, b.vehicle.name);
    })
    .map(({ vehicle }) => vehicle);
}

function vehicleRow(vehicle) {
  const strip = el("span", { class: "strip", role: "img", "aria-label": `last verdicts, the newest at the end: ${vehicle.strip.map(word).join(", ")}` });
  strip.append(...vehicle.strip.map((level) => el("i", { class: tone(level), "aria-hidden": "true" }, GLYPHS[level])));
  return el(
    "tr",
    null,
    td(el("a", { class: "row", href: href("vehicle", vehicle.name) }, vehicle.name)),
    td(badge(vehicle.level)),
    td(plain(vehicle.says), { class: "says" }),
    td(vehicle.shift ? `${vehicle.shift.toFixed(1)} cm` : "", { class: "n", "data-name": `shift at ${data.range} m` }),
    td(vehicle.strip.length ? strip : "", { class: "desk" }),
    td(vehicle.last === null ? "" : time(vehicle.last), { class: "time", "data-name": "last" }),
    td(String(vehicle.recordings), { class: "n desk" }),
    td(vehicle.refused ? String(vehicle.refused) : "", { class: "n", "data-name": "refused" }),
  );
}

function fleetView(view, text) {
  const wanted = fleetQuery(text);
  const table = el("div");
  const count = el("p", { class: "count", role: "status" });
  const tiles = el("div", { class: "tiles", role: "group", "aria-label": "Level" });
  const sortSelect = el("select", { onchange: (e) => change({ sort: e.target.value, way: SORTS[e.target.value][2] }) });
  sortSelect.append(...Object.entries(SORTS).map(([name, [label]]) => el("option", { value: name }, label)));
  const search = el("input", { type: "search", id: "search", value: wanted.text, placeholder: "name, axis or camera", oninput: (e) => change({ text: e.target.value }) });
  const taskSelect = el("select", { onchange: (e) => change({ task: e.target.value }) }, el("option", { value: "" }, "all tasks"), tasks.map((t) => el("option", { value: t, selected: t === wanted.task }, t)));

  for (const level of LEVELS) {
    const n = data.vehicles.filter((v) => v.level === level).length;
    const toggle = () => change({ levels: wanted.levels.includes(level) ? wanted.levels.filter((l) => l !== level) : [...wanted.levels, level] });
    tiles.append(el("button", { type: "button", class: tone(level), "data-level": level, onclick: toggle }, el("b", null, n.toLocaleString("en")), el("span", null, `${GLYPHS[level]} ${word(level)}`)));
  }
  tiles.append(el("a", { href: href("refused") }, el("b", null, data.refused.toLocaleString("en")), el("span", null, "refused")));

  function change(values) {
    Object.assign(wanted, values);
    const now = fleetAddress(wanted);
    history.replaceState(null, "", now);
    shownAt(now);
    draw();
  }

  function head(name, label, attributes) {
    const now = wanted.sort === name;
    const order = now ? (wanted.way > 0 ? "ascending" : "descending") : null;
    const turn = () => {
      change(now ? { way: -wanted.way } : { sort: name, way: SORTS[name][2] });
      view.querySelector(`[data-sort=${name}]`).focus();
    };
    return el("th", { scope: "col", "aria-sort": order, ...attributes }, el("button", { type: "button", "data-sort": name, onclick: turn }, label));
  }

  function draw() {
    const rows = chosen(wanted);
    const heads = [
      head("name", "Vehicle"), head("worst", "Level"), "What moved, with 95 % interval", head("shift", `Shift at ${data.range} m`, { class: "n" }),
      "Verdicts", head("last", "Last (UTC)"), head("recordings", "Recordings", { class: "n" }), head("refused", "Refused", { class: "n" }),
    ];
    table.replaceChildren(rows.length ? rowsTable("Vehicles", heads, rows, vehicleRow, { main: true }) : el("p", { class: "card" }, "No vehicle fits these filters. ", el("button", { type: "button", onclick: () => { search.value = ""; taskSelect.value = ""; change({ text: "", levels: [], task: "" }); search.focus(); } }, "Show all")));
    count.textContent = rows.length === data.vehicles.length ? counted(rows.length, "vehicle") : `${rows.length.toLocaleString("en")} of ${counted(data.vehicles.length, "vehicle")}`;
    sortSelect.value = wanted.sort;
    for (const button of tiles.querySelectorAll("button")) button.setAttribute("aria-pressed", wanted.levels.includes(button.dataset.level));
  }

  view.replaceChildren(
    el("h1", { tabindex: -1 }, `Fleet ${data.name}`),
    el("p", null, `Which vehicles need a mechanic? Made on ${time(data.made)}. All times are UTC.`),
    tiles,
    el("div", { class: "tools" }, el("label", { class: "grow" }, "Search", search), tasks.length > 1 && el("label", null, "Task", taskSelect), el("label", { class: "phone" }, "Sort by", sortSelect)),
    count,
    table,
    fleetNotes(),
  );
  draw();
}

function fleetNotes() {
  return el(
    "footer",
    null,
    el("p", null, `Axes are those of the camera: x right, y down, z forward. tx, ty, tz are translations; rx (pitch), ry (yaw), rz (roll) are rotations about x, y, z. Intervals are 95 % intervals. Shift at ${data.range} m is the largest displacement of a point ${data.range} m away by the axes that moved.`),
    el("p", null, "The level of a vehicle is the worst of its cameras, from the newest verdict of each. An unsure verdict does not clear an earlier warning or alarm."),
    el("p", null, "Keys: ", el("kbd", null, "Tab"), " and ", el("kbd", null, "Enter"), " open, ", el("kbd", null, "Esc"), " goes one view up, ", el("kbd", null, "/"), " searches, ", el("kbd", null, "←"), " ", el("kbd", null, "→"), " step through windows."),
  );
}

async function refusedView(view) {
  const rows = await loaded("refused", "refused.js");
  const codes = [...new Set(rows.map((r) => r.code))].sort();
  const state = { text: "", code: "" };
  const table = el("div");
  const count = el("p", { class: "count", role: "status" });
  function draw() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = rows.filter((r) => (!state.code || r.code === state.code) && words.every((w) => `${r.vehicle} ${r.uri} ${r.reason} ${r.code}`.toLowerCase().includes(w)));
    table.replaceChildren(refusedTable(fits, true));
    count.textContent = `${fits.length.toLocaleString("en")} of ${counted(rows.length, "refused recording")}`;
  }
  const search = el("input", { type: "search", id: "search", oninput: (e) => { state.text = e.target.value; draw(); } });
  const select = el("select", { onchange: (e) => { state.code = e.target.value; draw(); } }, el("option", { value: "" }, "all reasons"));
  select.append(...codes.map((code) => el("option", { value: code }, `${code} (${rows.filter((r) => r.code === code).length})`)));
  view.replaceChildren(
    crumbs(["Fleet", fleetHome()]),
    el("h1", { tabindex: -1 }, "Refused recordings"),
    el("p", null, "A refused recording has no verdict. The reason says what to change."),
    el("div", { class: "tools" }, el("label", { class: "grow" }, "Search", search), el("label", null, "Reason", select)),
    count,
    table,
  );
  draw();
}

function refusedTable(rows, withVehicle) {
  const row = (r) =>
    el(
      "tr", null,
      withVehicle && td(el("a", { href: href("vehicle", r.vehicle) }, r.vehicle)),
      td(el("code", null, r.code)), td(r.reason, { class: "says" }), td(r.uri, { class: "uri" }), td(r.task, { class: "desk" }),
      td(r.attempts === null ? "" : String(r.attempts), { class: "n desk" }), td(time(r.time), { class: "time" }),
    );
  return rowsTable("Refused recordings", [...(withVehicle ? ["Vehicle"] : []), "Code", "Reason", "Recording", "Task", "Attempts", "When (UTC)"], rows, row);
}
