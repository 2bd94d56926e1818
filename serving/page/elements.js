// Small makers of elements. Text is always set as text, never as markup.

export const at = (id) => document.getElementById(id);

export function make(name, settings = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(settings)) {
    if (key === "class") made.className = value;
    else if (key === "click") made.addEventListener("click", value);
    else if (key === "share") made.style.setProperty("--share", `${(100 * value).toFixed(1)}%`);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export const name = (item) => item.title || `Item ${item.item_id}`;

export const weight = (number) => (number < 0.0005 ? "0" : number.toFixed(3).replace(/^0/, ""));

export const score = (number) => number.toFixed(2).replace("-", "\u2212");

export function when(slot) {
  if (slot.at) {
    const shown = new Date(slot.at);
    return make(
      "time",
      { datetime: slot.at, title: shown.toLocaleString() },
      shown.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" }),
    );
  }
  return make("span", {}, slot.timestamp === null ? "\u2013" : `no. ${slot.timestamp}`);
}
