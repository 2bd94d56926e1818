// The list with its reasons, what moved in it since the last one, and items found by a search.

import { at, make, name, score } from "./elements.js";

export function showList(items, { before, chosen, look, had }) {
  const rows = items.map((item) => {
    const move = moved(item, before);
    return make(
      "li",
      { class: move.kind, "data-item": item.item_id },
      make("span", { class: "rank", "aria-hidden": "true" }, String(item.rank)),
      make(
        "div",
        { class: "what" },
        make(
          "button",
          {
            type: "button",
            class: "plain",
            "aria-pressed": String(item.item_id === chosen),
            title: "Show how this item reads the memory",
            click: () => look(item),
          },
          name(item),
        ),
        move.text ? make("span", { class: "move" }, move.text) : null,
        because(item.because),
      ),
      make("span", { class: "score", title: "Score" }, score(item.score)),
      hadButton(item, had),
    );
  });
  at("list").replaceChildren(...rows);
}

// Which places changed: {fresh: titles that are new, moved: how many stand elsewhere}.
export function changes(items, before) {
  if (!before) return { fresh: [], moved: 0 };
  const fresh = items.filter((item) => !before.has(item.item_id)).map(name);
  const elsewhere = (item) => before.has(item.item_id) && before.get(item.item_id) !== item.rank;
  return { fresh, moved: items.filter(elsewhere).length };
}

export function showFound(items, { look, had }) {
  const rows = items.map((item) =>
    make(
      "li",
      {},
      make("button", { type: "button", class: "plain", click: () => look(item) }, name(item)),
      hadButton(item, had),
    ),
  );
  const none = make("li", { class: "fine" }, "Nothing has that title or id.");
  at("found").replaceChildren(...(rows.length ? rows : [none]));
}

function hadButton(item, had) {
  const label = `Had it: ${name(item)}`;
  return make("button", { type: "button", title: label, "aria-label": label, click: () => had(item) }, "Had it");
}

function because(reasons) {
  if (!reasons || !reasons.length) return null;
  const parts = reasons.flatMap((reason, place) => [
    place ? ", " : "because of ",
    make("b", {}, name(reason)),
    ` +${reason.weight.toFixed(2)}`,
  ]);
  return make("p", { class: "because" }, ...parts);
}

function moved(item, before) {
  if (!before) return { kind: "", text: "" };
  if (!before.has(item.item_id)) return { kind: "fresh", text: "new" };
  const up = before.get(item.item_id) - item.rank;
  if (!up) return { kind: "", text: "" };
  return { kind: "moved", text: up > 0 ? `\u2191 ${up}` : `\u2193 ${-up}` };
}
