// SPDX-FileCopyrightText: 2026 The i2p_ros authors
// SPDX-License-Identifier: Apache-2.0
// From the address to a view, and the keys.
"use strict";
history.scrollRestoration = "manual";
let home = "#/"; // the newest address of the table of vehicles, with its filters
let shownHash = null;
let turn = 0;
const fleetHome = () => home;

function shownAt(hash) {
  shownHash = hash;
  if (isFleet(hash)) home = hash;
}

async function drawn(view, to) {
  const [path, query] = to.replace(/^#\/?/, "").split("?");
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
  const to = address();
  const old = document.getElementById("view");
  const view = el("main", { id: "view" });
  if (shownHash) memory.set(shownHash, { scroll: scrollY, link: document.activeElement?.getAttribute("href"), drawn: mainTable?.drawn() });
  if (!isUp(to)) memory.delete(to);
  let found;
  try {
    found = await drawn(view, to);
  } catch (error) {
    view.replaceChildren(crumbs(["Fleet", home]), el("h1", { tabindex: -1 }, "This view cannot be shown"), el("p", null, error.message));
  }
  if (mine !== turn) return; // another address came meanwhile
  if (found === false) view.replaceChildren(crumbs(["Fleet", home]), el("h1", { tabindex: -1 }, "Not found"), el("p", null, "The results have no such vehicle or window."));
  old.replaceWith(view);
  arrive(view, to);
}

// Whether an address is above the one that is shown: then the way back leads to the same place of the same list.
const isUp = (to) => shownHash !== null && (to === shownHash || (isFleet(to) && !isFleet(shownHash)) || shownHash.startsWith(`${to}/`));

function arrive(view, to) {
  const first = shownHash === null;
  const { scroll = 0, link = null } = memory.get(to) ?? {};
  const title = view.querySelector("h1");
  shownAt(to);
  document.title = isFleet(to) ? `Fleet ${data.name}` : `${title.firstChild.textContent} – Fleet ${data.name}`;
  const target = link && view.querySelector(`a[href="${CSS.escape(link)}"]`);
  window.scrollTo(0, scroll);
  if (target) target.focus({ preventScroll: true });
  else if (!first) title.focus({ preventScroll: true });
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

document.addEventListener("keydown", key);
window.addEventListener("hashchange", route);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", route);
route().then(() => requestAnimationFrame(() => setTimeout(() => performance.mark("i2p first draw"))));
