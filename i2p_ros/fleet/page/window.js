// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// One window of a vehicle, and its overlay in full size.
"use strict";

async function windowView(view, name, key, full) {
  const vehicle = await vehicleData(name);
  const w = vehicle?.keys.get(key);
  if (!w || (full && !w.picture)) return false;
  const title = `Window of ${time(w.time, true)} UTC`;
  const up = [["Fleet", fleetHome()], [name, href("vehicle", name)], ...(full ? [[time(w.time, true), windowHref(vehicle, w)]] : [])];
  const picture = () => el("img", { src: w.picture, alt: `The cloud of ${rigName(vehicle, w.rig)} drawn on the image of ${time(w.time, true)} UTC` });
  if (full) {
    const frame = el("div", { class: "overlay", tabindex: 0, role: "group", "aria-label": "Overlay, scrollable in actual size" }, picture());
    const size = el("button", { type: "button", "aria-pressed": "false", onclick: () => size.setAttribute("aria-pressed", frame.classList.toggle("actual")) }, "Actual size");
    view.replaceChildren(crumbs(...up), el("h1", { tabindex: -1 }, "Overlay", badge(w.level)), steps(vehicle, w, size, "overlay"), frame, el("p", null, `${rigName(vehicle, w.rig)}. ${plain(w.text)}`));
    return true;
  }
  const recording = vehicle.recordings[w.recording];
  const facts = [["Camera", rigName(vehicle, w.rig)], ["Frames", w.frames ?? "unknown"], ["Recording", recording.uri || recording.id]];
  const shown = w.picture ? el("a", { href: windowHref(vehicle, w, "overlay"), class: "picture" }, picture(), "Open the overlay in full size") : el("p", { class: "card" }, w.missing ? "The picture of this window is not among the results." : "This window has no picture.");
  view.replaceChildren(
    crumbs(...up),
    el("h1", { tabindex: -1 }, title, badge(w.level)),
    w.text && el("p", { class: "says" }, plain(w.text)),
    steps(vehicle, w, null),
    el(
      "div", { class: "window" },
      shown,
      el(
        "div", null,
        axisTable("Estimate of the window", ["Axis", "Drift", "95 %"], (i) => [td(`${signed(w.drift[i])} ${data.units[i]}`, { class: "n" }), td(`± ${unsigned(w.half[i])}`, { class: "n" })]),
        el("dl", { class: "facts" }, facts.map(([term, value]) => [el("dt", null, term), el("dd", null, String(value))])),
        el("p", { class: "soft" }, "This is the estimate of one window. The verdict weighs all windows."),
      ),
    ),
  );
  return true;
}

function steps(vehicle, w, extra, ...more) {
  const same = vehicle.windows.filter((other) => other.rig === w.rig && (!more.length || other.picture));
  const at = same.indexOf(w);
  const link = (place, label, rel) => same[place] && el("a", { href: windowHref(vehicle, same[place], ...more), rel }, label);
  return el("div", { class: "steps" }, link(at - 1, "← Earlier", "prev"), el("span", { class: "soft" }, `${at + 1} of ${same.length}`), link(at + 1, "Later →", "next"), extra);
}
