// What the page shows of a drawing and its answer.

import { paintLayer, paintPicture, paintPlane } from "./paint.js";

const BARS = 12;
const PLANES = 16;
const number = new Intl.NumberFormat("en");
export const $ = (id) => document.getElementById(id);

function element(name, text = "", parent = null) {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  parent?.append(made);
  return made;
}

export function signed(value) {
  return value < 0 ? `−${number.format(-value)}` : number.format(value);
}

export function setStatus(state, what, todo = "", button = "") {
  $("status").dataset.state = state;
  $("status-what").textContent = what;
  $("status-todo").textContent = todo;
  $("connect").hidden = !button;
  $("connect").disabled = false;
  $("connect").textContent = button || "Connect";
}

// The picture in the network's resolution, and the codes that it becomes.
export class Seen {
  #design;
  #planes = [];

  constructor(design) {
    this.#design = design;
    const { input } = design.manifest;
    const [, height, width] = design.picture;
    $("grey").style.setProperty("--aspect", `${width} / ${height}`);
    $("grey-text").textContent = `${width} × ${height} pixels`;
    const most = input.values.levels - 1;
    const count = Math.min(PLANES, this.#channels);
    for (let c = 0; c < count; c++) {
      const figure = element("figure", "", $("planes"));
      const canvas = element("canvas", "", figure);
      canvas.style.setProperty("--aspect", `${width} / ${height}`);
      canvas.setAttribute("role", "img");
      const text = this.#caption(input, c, most);
      canvas.setAttribute("aria-label", `Input channel ${c + 1}: ${text}`);
      element("figcaption", text, figure);
      this.#planes.push(canvas);
    }
    $("planes-text").textContent = this.#explain(input, most);
  }

  get #channels() {
    const { shape, elements } = this.#design.manifest.input;
    const [, height, width] = this.#design.picture;
    return shape.length === 3 ? shape[0] : elements / (height * width);
  }

  #explain(input, most) {
    if (most > 1) return `${number.format(input.elements)} codes of ${input.bits} bits go in.`;
    const bits = `${number.format(input.elements)} bits go in`;
    if (input.image_channels !== 1 || this.#channels === 1) return `${bits}, +1 or −1.`;
    return `${bits}: each pixel is held against ${this.#channels} levels, as on a thermometer.`;
  }

  #caption(input, channel, most) {
    const table = Array.isArray(input.lut?.[0]) ? input.lut[channel] : input.lut;
    const first = most === 1 && table ? table.indexOf(1) : -1;
    return first < 0 ? `${input.bits} bit` : `≥ ${first}`;
  }

  show(pixels, codes) {
    const { picture, top, manifest } = this.#design;
    const [, height, width] = picture;
    paintPicture($("grey"), pixels, picture, top);
    const size = height * width;
    const most = manifest.input.values.levels - 1;
    this.#planes.forEach((canvas, c) => paintPlane(canvas, codes.slice(c * size, (c + 1) * size), height, width, most));
  }
}

// The answer and its logits; rows stay where they are, so that nothing jumps.
export class Answer {
  #output;
  #rows = [];

  constructor(design) {
    this.#output = design.manifest.output;
    const count = Math.min(BARS, this.#output.top ?? this.#output.classes);
    for (let k = 0; k < count; k++) this.#rows.push(this.#row(k));
  }

  #row(k) {
    const row = element("div", "", $("bars"));
    row.className = "bar";
    row.setAttribute("role", "listitem");
    const name = element("span", `${k}`, row);
    const fill = element("b", "", element("i", "", row));
    return { row, name, fill, value: element("span", "", row) };
  }

  clear() {
    $("class").textContent = $("badge").textContent = "–";
    $("class").dataset.empty = $("badge").dataset.empty = "true";
    $("said").textContent = "Draw something, or take a scan.";
    for (const { row, fill, value } of this.#rows) {
      row.className = "bar";
      fill.style.transform = "scaleX(0)";
      value.textContent = "";
    }
  }

  show(answer) {
    const pairs = answer.logits.map((logit, k) => ({ logit, kind: answer.top ? answer.top[k] : k }));
    const ranked = [...pairs].sort((a, b) => b.logit - a.logit || a.kind - b.kind);
    const best = answer.class ?? ranked[0].kind;
    const shown = pairs.length > this.#rows.length ? ranked.slice(0, this.#rows.length) : pairs;
    const most = Math.max(1, ...shown.map(({ logit }) => Math.abs(logit)));
    shown.forEach((pair, k) => this.#fill(this.#rows[k], pair, most, pair.kind === best));
    $("class").textContent = $("badge").textContent = `${best}`;
    $("class").dataset.empty = $("badge").dataset.empty = "false";
    $("class").dataset.long = `${`${best}`.length > 2}`;
    this.#say(best, pairs, ranked, answer.by);
  }

  #fill({ row, name, fill, value }, { logit, kind }, most, best) {
    row.className = best ? "bar best" : "bar";
    name.textContent = `${kind}`;
    value.textContent = signed(logit);
    fill.className = logit < 0 ? "minus" : "";
    fill.style.transform = `scaleX(${logit / most})`;
  }

  #say(best, pairs, ranked, by) {
    const mine = pairs.find(({ kind }) => kind === best);
    const next = ranked.find(({ kind }) => kind !== best);
    let ahead = "";
    if (mine && next) ahead = mine.logit === next.logit ? `, level with ${next.kind}` : `, ${signed(mine.logit - next.logit)} ahead of ${next.kind}`;
    $("said").textContent = `Class ${best}${ahead}, says ${by}.`;
    $("spoken").textContent = `Class ${best}${ahead}.`;
  }
}

// Clocks, times and counters.
export class Facts {
  #cells = {};

  set(key, title, value, note = "", mood = "") {
    this.#cells[key] ??= this.#cell(title);
    const { main, small, cell } = this.#cells[key];
    main.textContent = value;
    small.textContent = note;
    cell.className = mood;
  }

  #cell(title) {
    const box = element("div", "", $("facts"));
    element("dt", title, box);
    const cell = element("dd", "", box);
    return { cell, main: element("span", "", cell), small: element("small", "", cell) };
  }
}

export function duration(seconds) {
  for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
    if (seconds >= size) return `${(seconds / size).toPrecision(3)} ${unit}`;
  }
  return `${(seconds * 1e9).toPrecision(3)} ns`;
}

export const count = (value) => number.format(value);

// Every layer as a picture; made once, painted for each answer.
export class Layers {
  #figures = [];

  show(layers) {
    if (this.#figures.length !== layers.length) this.#make(layers);
    layers.forEach((layer, k) => paintLayer(this.#figures[k], layer, 180, 130));
  }

  #make(layers) {
    $("layers").replaceChildren();
    this.#figures = layers.map((layer) => {
      const figure = element("figure", "", $("layers"));
      const frame = element("div", "", figure);
      frame.className = "frame";
      const canvas = element("canvas", "", frame);
      canvas.setAttribute("role", "img");
      const [channels, height, width] = layer.shape;
      const size = height * width === 1 ? `${channels} values` : `${channels} channels of ${width} × ${height}`;
      const range = layer.levels === 2 ? `${signed(layer.low)} or ${signed(layer.high)}` : `${signed(layer.low)} … ${signed(layer.high)}`;
      const part = layer.channels < channels ? `, the first ${layer.channels}` : "";
      canvas.setAttribute("aria-label", `Layer ${layer.name}: ${size}`);
      const caption = element("figcaption", layer.name, figure);
      element("small", `${layer.kind}: ${size}${part}, ${range}`, caption);
      return canvas;
    });
  }
}
