// Read weights as a heat map: a row for each hop, a column for each slot, the last one for nothing.

import { at, make, name, weight } from "./elements.js";

export const hopName = (hop, item) => {
  const context = /^context (\d+)$/.exec(hop.name);
  return context ? `Hop ${context[1]}, before anybody asks` : `Asked by ${item ? name(item) : hop.name}`;
};

export const shortName = (hop) => hop.name.replace(/^context (\d+)$/, "hop $1");

export function showHeat(memory, read, { point }) {
  const hops = read ? read.hops : [];
  const seen = hops.length > 0 && memory.slots.length > 0;
  at("heat-box").hidden = at("legend").hidden = !seen;
  at("cell").textContent = seen ? "" : silence(memory, read);
  const rows = seen ? hops.map((hop) => row(memory, hop, read)) : [];
  const body = make("tbody", {}, ...rows); // a new one, and with it go the old listeners
  at("heat").tBodies[0].replaceWith(body);
  if (!seen) return;
  body.rows[body.rows.length - 1].cells[1].tabIndex = 0;
  const telling = (event) => {
    const cell = event.target.closest("td");
    if (cell) tell(cell, memory, hops, { point });
  };
  body.addEventListener("keydown", (event) => move(event, body));
  body.addEventListener("focusin", telling);
  body.addEventListener("mouseover", telling);
  body.addEventListener("mouseleave", () => point(null));
}

function silence(memory, read) {
  if (!memory.slots.length) return "Nothing is remembered yet, so there is nothing to read.";
  if (!read) return "Choose an item to see how it reads the memory.";
  return "The slots of this memory are no events, so weights cannot be laid beside them.";
}

function row(memory, hop, read) {
  const largest = Math.max(...hop.weights, hop.nothing, 1e-9);
  const cell = (number, label, kind) =>
    make(
      "td",
      { tabindex: "-1", class: kind, share: number / largest, title: `${label}: ${weight(number)}` },
      make("span", { class: "quiet" }, weight(number)),
    );
  return make(
    "tr",
    {},
    make("th", { scope: "row", title: hopName(hop, read) }, make("span", {}, hopName(hop, read))),
    ...hop.weights.map((number, place) => cell(number, name(memory.slots[place]), "slot")),
    cell(hop.nothing, "nothing", "nothing"),
  );
}

function tell(cell, memory, hops, { point }) {
  const hop = hops[cell.parentElement.rowIndex];
  const place = cell.cellIndex - 1;
  const slot = memory.slots[place];
  const number = slot ? hop.weights[place] : hop.nothing;
  const what = slot ? `Slot ${place + 1} of ${memory.slots.length}, ${name(slot)}` : "Nothing";
  at("cell").textContent = `${what}: ${weight(number)} in ${shortName(hop)}`;
  point(slot ? place : null);
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function move(event, body) {
  const cell = event.target.closest("td");
  if (!cell) return;
  const line = cell.parentElement;
  let [down, right] = STEPS[event.key] || [0, 0];
  if (event.key === "Home") right = 1 - cell.cellIndex;
  else if (event.key === "End") right = line.cells.length - 1 - cell.cellIndex;
  else if (!down && !right) return;
  event.preventDefault();
  const next = body.rows[line.rowIndex + down]?.cells[Math.max(cell.cellIndex + right, 1)];
  if (!next) return;
  for (const other of body.querySelectorAll('td[tabindex="0"]')) other.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
