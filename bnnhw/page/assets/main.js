// The page: what is drawn goes to whoever is to answer, and what comes back is shown.

import { Board, BoardError } from "./board.js";
import { encode } from "./codes.js";
import { Pad } from "./pad.js";
import { paintPicture } from "./paint.js";
import { rasterise } from "./raster.js";
import * as server from "./server.js";
import { $, Answer, count, duration, Facts, Layers, Seen, setStatus } from "./views.js";

const BEAT_MS = 1000;
const AT_BROWSER = "the board at this browser";

class Page {
  #design;
  #source;
  #pad;
  #seen;
  #answer;
  #facts = new Facts();
  #layers = new Layers();
  #pixels = null;
  #busy = false;
  #again = false;
  #board = null;
  #answered = 0;
  #differences = 0;
  #bad = false;

  constructor(design, state) {
    this.#design = design;
    document.title = `${design.manifest.network} – bnnhw`;
    $("name").textContent = design.manifest.network;
    $("identity").textContent = `build ${design.manifest.identity.slice(0, 16)}…`;
    this.#seen = new Seen(design);
    this.#answer = new Answer(design);
    this.#pad = new Pad($("pad"), () => this.#drawn());
    this.#offerSources(state);
    this.#offerSamples();
    this.#listen();
    this.#clear();
    this.#plannedFacts();
    this.#showState(state);
    setInterval(() => this.#beat(), BEAT_MS);
  }

  #listen() {
    $("clear").addEventListener("click", () => this.#pad.clear());
    $("undo").addEventListener("click", () => this.#pad.undo());
    $("connect").addEventListener("click", () => this.#connect());
    navigator.serial?.addEventListener("disconnect", (event) => this.#unplugged(event.target));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#repaint());
  }

  #offerSources(state) {
    const kinds = { board: "Board", simulated: "Simulated board" };
    const offered = [];
    if (state && state.kind !== "model") offered.push(["target", kinds[state.kind]]);
    if (state) offered.push(["model", "Golden model"]);
    offered.push(["serial", "Web Serial"]);
    this.#source = offered[0][0];
    for (const [value, text] of offered) this.#offer(value, text);
  }

  #offer(value, text) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "source", value, checked: value === this.#source });
    if (value === "serial" && !navigator.serial) {
      input.disabled = true;
      label.title = "This browser has no Web Serial; Chrome, Edge and Chromium have.";
    }
    input.addEventListener("change", () => this.#choose(value));
    label.append(input, text);
    $("sources").append(label);
  }

  #offerSamples() {
    const { samples, picture, top } = this.#design;
    for (const { label, image } of samples) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", label === null ? "A real image" : `A real scan of ${label}`);
      const canvas = document.createElement("canvas");
      paintPicture(canvas, image, picture, top);
      button.append(canvas);
      button.addEventListener("click", () => this.#sample(image));
      $("samples").append(button);
    }
    $("samples-box").hidden = !samples.length;
  }

  #sample(image) {
    const canvas = document.createElement("canvas");
    paintPicture(canvas, image, this.#design.picture, this.#design.top);
    this.#pad.show(canvas);
    this.#show(image);
  }

  #drawn() {
    if (this.#pad.empty) this.#clear();
    else this.#show(rasterise(this.#pad.strokes, this.#design.picture, this.#design.top));
  }

  #show(pixels) {
    $("hint").hidden = true;
    $("undo").disabled = !this.#pad.strokes.length;
    $("clear").disabled = false;
    this.#pixels = pixels;
    this.#seen.show(pixels, encode(this.#design.manifest.input, pixels));
    this.#ask();
  }

  #clear() {
    this.#pixels = null;
    const [depth, height, width] = this.#design.picture;
    const blank = new Array(depth * height * width).fill(0);
    this.#seen.show(blank, encode(this.#design.manifest.input, blank));
    this.#answer.clear();
    $("hint").hidden = false;
    $("undo").disabled = $("clear").disabled = true;
    if (this.#design.server && !this.#bad) server.infer(blank, "model").then(({ layers }) => this.#pixels || this.#layers.show(layers)).catch(() => {});
  }

  #repaint() {
    this.#pad.draw();
    $("samples").replaceChildren();
    this.#offerSamples();
    if (this.#pixels) this.#show(this.#pixels);
    else this.#clear();
  }

  // One image at a time, always the newest: what was drawn meanwhile goes next.
  async #ask() {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    if (!this.#pixels || this.#bad || (this.#source === "serial" && !this.#board)) return;
    this.#busy = true;
    $("answer").ariaBusy = "true";
    const [pixels, source] = [this.#pixels, this.#source];
    try {
      const answer = await (source === "serial" ? this.#askBoard(pixels) : server.infer(pixels, source));
      if (this.#pixels && source === this.#source) this.#showAnswer(answer);
    } catch (error) {
      if (source === this.#source) this.#failed(error);
    }
    this.#busy = false;
    $("answer").ariaBusy = "false";
    if (this.#again) {
      this.#again = false;
      this.#ask();
    }
  }

  async #askBoard(pixels) {
    const start = performance.now();
    const answer = await this.#board.answer(pixels);
    const milliseconds = performance.now() - start;
    this.#answered++;
    const golden = this.#design.server ? await server.infer(pixels, "model") : null;
    const agrees = golden && `${golden.logits}` === `${answer.logits}` && golden.class === answer.class;
    if (agrees === false) this.#differences++;
    return { ...answer, by: AT_BROWSER, milliseconds, agrees, layers: golden?.layers };
  }

  #showAnswer(answer) {
    this.#answer.show(answer);
    if (answer.layers) this.#layers.show(answer.layers);
    this.#lineFacts(answer.milliseconds, answer.agrees);
  }

  #plannedFacts() {
    this.#chipFacts(null, null);
    this.#lineFacts(null, null);
    this.#facts.set("images", "Images answered", "0", "by the board");
    this.#facts.set("dropped", "Frames dropped", "–", "by the board");
    if (!this.#design.server) $("inside").hidden = true;
  }

  // Clocks: as the board counts them where it can, else as the plan says.
  #chipFacts(board, measured) {
    const { manifest, clock_hz: planned } = this.#design;
    const [cycles, hertz] = [measured?.cycles ?? manifest.cycles_per_image, board?.clock_hz ?? planned];
    const how = measured ? "counted by the board" : `planned, set by ${manifest.bottleneck}`;
    this.#facts.set("cycles", "Clocks an image", count(cycles), how);
    this.#facts.set("fps", "Images a second", count(Math.floor(hertz / cycles)), `on the chip, at ${hertz / 1e6} MHz`);
    const clocks = measured && `${count(measured.latency)} clocks, counted by the board`;
    this.#facts.set("chip", "Latency of the chip", measured ? duration(measured.latency / hertz) : "–", clocks ?? "no board has counted it");
  }

  #lineFacts(milliseconds, agrees) {
    const none = milliseconds === null;
    this.#facts.set("line", "Answer over the line", none ? "–" : duration(milliseconds / 1000), none ? "no board was asked" : "request to answer");
    const known = agrees === true || agrees === false;
    this.#facts.set("agrees", "Golden model", known ? (agrees ? "equal" : "differs") : "–", known ? "every logit compared" : "nothing to compare", known ? (agrees ? "good" : "bad") : "");
  }

  #counters(board, images, differences) {
    const note = differences ? `${count(differences)} differ` : "by the board";
    this.#facts.set("images", "Images answered", count(images), images ? note : "by the board", differences ? "bad" : "");
    const bytes = board ? `and ${count(board.line_errors)} bytes` : "by the board";
    this.#facts.set("dropped", "Frames dropped", board ? count(board.bad_frames) : "–", bytes);
  }

  #showState(state) {
    if (this.#source === "serial") {
      this.#serialStatus();
      return;
    }
    if (this.#source === "model") {
      this.#bad = false;
      const todo = state.kind === "model" ? "No board is asked; bnnhw serve --target sim: asks a simulated one." : "The board is not asked.";
      setStatus("good", "The golden model answers.", todo);
      return;
    }
    this.#counters(state.board, state.counts.images, state.counts.differences);
    this.#chipFacts(state.board, state.measured);
    this.#bad = !state.connected;
    if (this.#bad) setStatus("bad", state.error.what, state.error.todo, "Connect again");
    else setStatus("good", `${state.title} answers.`, state.kind === "simulated" ? "Through its serial line and the driver, as a real one would." : "Through the driver.");
  }

  #serialStatus() {
    this.#bad = false;
    if (this.#board) setStatus("good", "The board at this browser answers.", "Over Web Serial: no driver between.", "Disconnect");
    else setStatus("idle", "No board is connected to this browser.", `Plug in the ${this.#design.board} and choose its port.`, "Connect a board");
  }

  #failed(error) {
    if (error instanceof BoardError) {
      this.#dropBoard();
      setStatus("bad", error.what, error.todo, "Connect again");
      return;
    }
    const todo = error.todo ?? "Load the page again.";
    this.#bad = Boolean(error.lost);
    setStatus("bad", error.what ?? `${error}`, todo, error.lost ? "Connect again" : "");
  }

  #dropBoard() {
    const board = this.#board;
    this.#board = null;
    board?.close();
  }

  #unplugged(port) {
    if (this.#board?.port === port) this.#board.lost();
  }

  async #choose(source) {
    this.#source = source;
    this.#bad = false;
    this.#lineFacts(null, null);
    if (this.#design.server) await this.#refresh();
    else this.#serialStatus();
    this.#ask();
  }

  async #refresh() {
    try {
      this.#showState(await server.state());
    } catch (error) {
      this.#failed(error);
    }
  }

  async #connect() {
    $("connect").disabled = true;
    if (this.#source === "serial") {
      if (this.#board) this.#dropBoard();
      else return this.#connectSerial();
      this.#serialStatus();
      return;
    }
    setStatus("busy", "Connecting …", "", "Connect again");
    $("connect").disabled = true;
    try {
      this.#showState(await (this.#source === "target" ? server.connect() : server.state()));
      this.#ask();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #connectSerial() {
    let port;
    try {
      port = await navigator.serial.requestPort();
    } catch {
      this.#serialStatus();
      return;
    }
    setStatus("busy", "Asking the board who it is …", "", "Connect a board");
    $("connect").disabled = true;
    const board = new Board(port, this.#design, { onLost: (error) => this.#board === board && this.#failed(error) });
    try {
      await board.open();
      this.#board = board;
      this.#serialStatus();
      this.#ask();
    } catch (error) {
      this.#failed(error);
    }
  }

  // Counters once a second, which also notices a board that went away while nobody drew.
  async #beat() {
    if (document.hidden || this.#busy || this.#bad) return;
    if (this.#source === "target") await this.#refresh();
    else if (this.#source === "serial" && this.#board) await this.#beatSerial();
  }

  async #beatSerial() {
    try {
      const said = await this.#board.hello();
      this.#counters(said, this.#answered, this.#differences);
      this.#chipFacts(said, this.#board?.measured);
    } catch (error) {
      if (this.#source === "serial" && this.#board) this.#failed(error);
    }
  }
}

try {
  const design = await server.design();
  new Page(design, design.server ? await server.state() : null);
} catch (error) {
  setStatus("bad", error.what ?? "The page could not be loaded.", error.todo ?? `${error}`);
}
