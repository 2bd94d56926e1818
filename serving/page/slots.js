// Slots in time, newest first, each with the weight that every hop gave it.

import { at, make, name, weight, when } from "./elements.js";
import { shortName } from "./heat.js";

export function showSlots(memory, read, { forget }) {
  const hops = read ? read.hops : [];
  const heads = ["When", "Item", ...hops.map(shortName)];
  at("slots").tHead.replaceChildren(
    make(
      "tr",
      {},
      ...heads.map((text, place) => make("th", { scope: "col", class: place > 1 ? "number" : "" }, text)),
      make("td", {}),
    ),
  );
  const places = memory.slots.map((_, place) => place).reverse();
  const body = at("slots").tBodies[0];
  body.replaceChildren(...places.map((place) => row(memory.slots[place], place, hops, { forget })));
  if (!places.length) {
    body.append(make("tr", {}, make("td", { colspan: "3", class: "fine" }, "No events.")));
  }
}

// Marks the slot that the heat map is pointing at; null marks none.
export function pointAt(place) {
  for (const row of at("slots").tBodies[0].rows) {
    row.classList.toggle("pointed", place !== null && row.dataset.slot === String(place));
  }
}

function row(slot, place, hops, { forget }) {
  const label = `Forget ${name(slot)}`;
  return make(
    "tr",
    { "data-slot": place, "data-item": slot.item_id },
    make("td", {}, when(slot)),
    make("th", { scope: "row" }, name(slot), slot.behaviour ? make("small", {}, slot.behaviour) : null),
    ...hops.map((hop) => {
      const largest = Math.max(...hop.weights, 1e-9);
      const number = hop.weights[place];
      return make("td", { class: "number", share: number / largest }, weight(number));
    }),
    make(
      "td",
      {},
      make("button", { type: "button", title: label, "aria-label": label, click: () => forget(slot) }, "Forget"),
    ),
  );
}
