// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// From the address to a view, and the keys.
"use strict";
history.scrollRestoration = "manual";
let home = "#/"; // the newest address of the table of vehicles, with its filters
let shownHash = null;
let turn = 0;
const fleetHome = () => home;

async function drawn(view, address) {
  const [path, query] = address.replace(/^#\/?/, "").split("?");
  let parts;
  try {
    parts = path.split("/").map(decodeURIComponent);
  } catch {
    return false;
  }
  if (parts[0] === "" && parts.length === 1) return fleetView(view, query ?? "");
  if (parts[0] === "refused" && parts.length === 1) return refusedView(view);
  if (parts[0] !== "vehicle" || parts.length < 2) return false;
  if (parts.length === 2) return vehicleView(view, parts[1]);
  const full = parts[3] === "overlay";
  return parts.length === (full ? 4 : 3) && windowView(view, parts[1], parts[2], full);
}

async function route() {
  const mine = ++turn;
  const address = location.hash || "#/";
  const old = document.getElementById("view");
  const view = el("main", { id: "view" });
  let found;
  try {
    found = await drawn(view, address);
  } catch (error) {
    found = null;
    view.replaceChildren(crumbs(["Fleet", home]), el("h1", { tabindex: -1 }, "This view cannot be shown"), el("p", null, error.message));
  }
  if (mine !== turn) return; // another address came meanwhile
  if (found === false) view.replaceChildren(crumbs(["Fleet", home]), el("h1", { tabindex: -1 }, "Not found"), el("p", null, "The results have no such vehicle or window."));
  old.replaceWith(view);
  arrive(view, address);
}

function arrive(view, address) {
  const first = shownHash === null;
  const fleet = /^#\/?(\?|$)/.test(address);
  shownHash = address;
  const title = view.querySelector("h1");
  document.title = fleet ? `Fleet ${data.name}` : `${title.textContent} – Fleet ${data.name}`;
  const link = fleet && kept.link && view.querySelector(`a.row[href="${CSS.escape(kept.link)}"]`);
  window.scrollTo(0, fleet ? kept.scroll : 0);
  if (link) link.focus({ preventScroll: true });
  else if (!first) title.focus({ preventScroll: true });
}

function leave(event) {
  const link = event.target.closest?.("a.row");
  if (!link || !/^#\/?(\?|$)/.test(location.hash || "#/")) return;
  home = location.hash || "#/";
  Object.assign(kept, { link: link.getAttribute("href"), scroll: window.scrollY, drawn: fleetView.drawn() });
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  const go = (selector) => document.querySelector(selector)?.click();
  if (event.key === "Escape" && !(typing && event.target.value)) go("nav a[data-up]");
  else if (typing) return;
  else if (event.key === "/") {
    document.getElementById("search")?.focus();
    event.preventDefault();
  } else if (event.key === "ArrowLeft" && !event.target.closest(".actual")) go("a[rel=prev]");
  else if (event.key === "ArrowRight" && !event.target.closest(".actual")) go("a[rel=next]");
}

document.addEventListener("click", leave, true);
document.addEventListener("keydown", key);
window.addEventListener("hashchange", route);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", route);
route().then(() => requestAnimationFrame(() => setTimeout(() => performance.mark("i2p first draw"))));
