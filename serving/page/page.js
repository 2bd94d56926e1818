// The page: which user and candidate are shown, and what happens when a button is pressed.

import { at, name, score } from "./elements.js";
import { showHeat } from "./heat.js";
import { changes, showFound, showList } from "./list.js";
import { find, forgetEvents, forgetUser, memory, recommend, Refused, useKey, write } from "./service.js";
import { pointAt, showSlots } from "./slots.js";

const LENGTH = 10;
const shown = { user: null, chosen: null, ranks: null, list: null };
let newest = 0; // replies to anything older are thrown away

// Runs one thing at a time as far as people see: its line is said, or what is wrong is.
async function doing(work) {
  const turn = ++newest;
  at("main").setAttribute("aria-busy", "true");
  try {
    const line = await work(() => turn === newest);
    if (turn !== newest) return;
    at("wrong").textContent = "";
    at("said").textContent = line;
  } catch (error) {
    if (turn !== newest) return;
    at("said").textContent = "";
    at("wrong").textContent = error instanceof Refused ? error.message : `The page failed: ${error.message}`;
  } finally {
    if (turn === newest) at("main").removeAttribute("aria-busy");
  }
}

// Asks for the list and the memory anew; tells what changed against the list before.
async function refresh(current, { chosen = null, compare = false } = {}) {
  const list = await recommend(shown.user, LENGTH);
  const item = chosen || list.items[0] || null;
  const seen = await memory(shown.user, item && item.item_id);
  if (!current()) return null;
  const before = compare ? shown.ranks : null;
  shown.list = list;
  shown.ranks = new Map(list.items.map((one) => [one.item_id, one.rank]));
  shown.chosen = item;
  draw(list, seen, before);
  return changes(list.items, before);
}

function draw(list, seen, before) {
  at("main").hidden = false;
  at("model").textContent = `Model ${list.model}, ${events(seen.events)}`;
  at("empty").hidden = seen.events > 0;
  at("empty").textContent = `Nothing is known of ${shown.user}: press “Had it” to write a first event.`;
  at("forget").disabled = !seen.events;
  const chosen = shown.chosen && shown.chosen.item_id;
  showList(list.items, { before, chosen, look, had });
  drawReads(seen);
}

function drawReads(seen) {
  const read = seen.reads[0] || null;
  at("asked").textContent = read ? `${name(read)} asks: score ${score(read.score)}` : "";
  showHeat(seen, read, { point: pointAt });
  showSlots(seen, read, { forget });
}

const events = (count) => (count === 1 ? "1 event" : `${count} events`);

function difference({ fresh, moved }) {
  if (!fresh.length && !moved) return "The list stays as it was.";
  const parts = [];
  if (fresh.length) parts.push(`${fresh.length} new (${fresh.slice(0, 3).join(", ")}${fresh.length > 3 ? ", …" : ""})`);
  if (moved) parts.push(`${moved} moved`);
  return `In the list: ${parts.join(", ")}.`;
}

const look = (item) =>
  doing(async (current) => {
    const seen = await memory(shown.user, item.item_id);
    if (!current()) return "";
    shown.chosen = item;
    for (const row of at("list").children) {
      row.querySelector(".plain").setAttribute("aria-pressed", String(row.dataset.item === String(item.item_id)));
    }
    drawReads(seen);
    return `${name(item)} reads the memory.`;
  });

const had = (item) =>
  doing(async (current) => {
    await write(shown.user, item.item_id);
    const changed = await refresh(current, { compare: true });
    return changed && `Written: ${name(item)}. ${difference(changed)}`;
  });

const forget = (slot) =>
  doing(async (current) => {
    const gone = await forgetEvents(shown.user, slot.item_id);
    const changed = await refresh(current, { compare: true });
    return changed && `Forgotten: ${name(slot)}, ${events(gone.events)}. ${difference(changed)}`;
  });

const forgetAll = () =>
  doing(async (current) => {
    const gone = await forgetUser(shown.user);
    const changed = await refresh(current, { compare: true });
    return changed && `Forgotten: ${shown.user} and ${events(gone.events)}.`;
  });

const show = (user) =>
  doing(async (current) => {
    shown.user = user;
    at("found").replaceChildren();
    if (!(await refresh(current))) return "";
    document.title = `${user}: a user's memory`;
    history.replaceState(null, "", `#${encodeURIComponent(user)}`);
    return `User ${user}.`;
  });

at("key").addEventListener("input", (event) => useKey(event.target.value));
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  show(at("user").value.trim());
});
at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  doing(async (current) => {
    const items = await find(at("query").value.trim());
    if (!current()) return "";
    showFound(items, { look, had });
    return items.length === 1 ? "1 item found." : `${items.length} items found.`;
  });
});
at("forget").addEventListener("click", () => {
  at("sure-what").textContent = `All events of ${shown.user} and what was made of them are removed. They cannot be brought back.`;
  at("sure").showModal();
});
at("sure").addEventListener("close", () => {
  if (at("sure").returnValue === "yes") forgetAll();
  at("sure").returnValue = "no";
});

const asked = decodeURIComponent(location.hash.slice(1));
if (asked) {
  at("user").value = asked;
  show(asked);
}
