// The server of this page: who answers there, images, and reaching the board again.

const DEVICE = 6;

export class ServerError extends Error {
  constructor(error) {
    super(error.what);
    this.what = error.what;
    this.todo = error.todo;
    // Only an error of the board or of the connection calls for connecting again.
    this.lost = error.exit_code === DEVICE;
  }
}

async function fetched(path, options) {
  let document;
  let ok;
  try {
    const response = await fetch(path, { cache: "no-store", ...options });
    ok = response.ok;
    document = await response.json();
  } catch {
    throw new ServerError({ exit_code: DEVICE, what: "bnnhw serve does not answer any more.", todo: "Start it again and open the address that it prints." });
  }
  if (!ok) throw new ServerError(document.error ?? { what: "The server refused the request.", todo: "Load the page again." });
  return document;
}

function post(path, value) {
  return fetched(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
}

export const design = () => fetched("design.json");
export const state = () => fetched("api/state");
export const connect = () => post("api/connect", {});
export const infer = (pixels, on) => post("api/infer", { image: Array.from(pixels), on });
