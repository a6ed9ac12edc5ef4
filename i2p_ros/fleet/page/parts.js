// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// Elements, formats and files that are loaded when they are needed. Data become text nodes and attributes, never HTML.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const LEVELS = [...data.levels, ""]; // the worst first, then no verdict
const GLYPHS = { alarm: "▲", warn: "◆", unsure: "?", ok: "✓", "": "–" };
const WORDS = { "": "no verdict" };
const RANK = { alarm: 4, warn: 3, unsure: 2, "": 1, ok: 0 };
const BATCH = 60; // rows that are drawn at once

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const word = (level) => WORDS[level] || level;
const tone = (level) => level || "none";
const badge = (level) => el("span", { class: `level ${tone(level)}` }, el("span", { "aria-hidden": "true" }, GLYPHS[level]), word(level).toUpperCase());
const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function time(us, seconds = false) {
  const date = new Date(us === null ? NaN : us / 1000);
  return isNaN(date) ? "unknown time" : date.toISOString().slice(0, seconds ? 19 : 16).replace("T", " ");
}

function signed(value) {
  const text = value === null ? "unknown" : value.toFixed(2);
  return /^-0\.0+$/.test(text) ? text.slice(1) : value > 0 ? `+${text}` : text;
}

const plain = (text) => text.replaceAll("+-", "±");
const unsigned = (value) => (value === null ? "unknown" : value.toFixed(2));

// -- routes: #/ , #/refused , #/vehicle/NAME , #/vehicle/NAME/WINDOW , #/vehicle/NAME/WINDOW/overlay
const address = () => location.hash || "#/";
const isFleet = (hash) => /^#\/?(\?|$)/.test(hash);
const href = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");

// -- files that are loaded when a view needs them
const loading = {};
const arrived = {};

function i2pLoaded(name, content) {
  arrived[name] = content;
}

function script(path) {
  loading[path] ??= new Promise((resolve, reject) => {
    const tag = el("script", { src: path, onload: resolve, onerror: () => reject(new Error(`${path} cannot be loaded; it belongs beside index.html`)) });
    document.head.append(tag);
  }).catch((error) => {
    delete loading[path];
    throw error;
  });
  return loading[path];
}

async function loaded(name, path) {
  await script(path);
  return arrived[name];
}

// -- the last table of a view draws more rows when it is scrolled to; `main` is the table that is restored on the way back
const memory = new Map(); // address to what was seen there: scroll, link, drawn
let mainTable = null;

// A table whose rows are drawn in batches.
function rowsTable(caption, heads, rows, draw, { batch = BATCH, main = false } = {}) {
  const body = el("tbody");
  const button = el("button", { type: "button", class: "more" });
  let drawn = 0;
  function more() {
    const next = rows.slice(drawn, drawn + batch);
    body.append(...next.map(draw));
    drawn += next.length;
    button.textContent = `Show more: ${(rows.length - drawn).toLocaleString("en")} rows left`;
    button.hidden = drawn >= rows.length;
  }
  button.addEventListener("click", () => {
    const first = drawn;
    more();
    body.rows[first]?.querySelector("a")?.focus();
  });
  more();
  while (main && drawn < Math.min(memory.get(address())?.drawn ?? 0, rows.length)) more();
  const watch = new IntersectionObserver(
    (seen) => {
      if (!seen.at(-1).isIntersecting) return;
      more();
      watch.unobserve(button);
      watch.observe(button); // anew: it tells only changes, and the page may be at its new end already
    },
    { rootMargin: "300px" },
  );
  if (batch === BATCH) watch.observe(button);
  const head = el("thead", null, el("tr", null, heads.map((h) => (h instanceof Node ? h : el("th", { scope: "col" }, h)))));
  const table = el("table", { class: "rows" }, el("caption", { class: "hidden" }, caption), head, body);
  if (main) mainTable = { drawn: () => drawn };
  return el("div", { class: "card" }, table, button);
}

function td(content, attributes) {
  return el("td", attributes, content);
}
