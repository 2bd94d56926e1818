// What the page asks of the service. Every call gives JSON, or throws a Refused with a line to show.

export class Refused extends Error {}

let key = "";

export function useKey(text) {
  key = text.trim();
}

const segment = (id) => encodeURIComponent(String(id));

async function ask(method, path, body) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused("The service does not answer: is it still running?");
  }
  const told = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Refused(wording(reply.status, told));
  return told;
}

function wording(status, told) {
  if (status === 401) return "This service asks for an API key: give it under “API key”.";
  if (status === 403) return "This key does not allow that: use one with another role.";
  const what = told.detail || told.title || `The service answered ${status}`;
  return told.field ? `${what} (${told.field})` : what;
}

export const recommend = (user, k) => ask("POST", "/recommend", { user_id: user, k });

export const write = (user, item) =>
  ask("POST", "/events", {
    events: [{ user_id: user, item_id: item, event_id: crypto.getRandomValues(new Uint32Array(4)).join("-") }],
  });

export const forgetUser = (user) => ask("DELETE", `/users/${segment(user)}`);

export const forgetEvents = (user, item) =>
  ask("DELETE", `/users/${segment(user)}/events/${segment(item)}`);

export function memory(user, item) {
  const query = item === null ? "" : `?item_id=${segment(item)}`;
  return ask("GET", `/users/${segment(user)}/memory${query}`);
}

export async function find(query) {
  return (await ask("GET", `/items?query=${segment(query)}&limit=8`)).items;
}
