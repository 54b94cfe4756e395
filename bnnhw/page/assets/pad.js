// Where one draws: with mouse, finger or pen, or with the keys.

import { trace } from "./raster.js";
import { colour } from "./paint.js";

const STEP = 1 / 24;
const PEN = 0.075;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const inside = (value) => Math.min(1, Math.max(0, value));

export class Pad {
  strokes = [];
  #canvas;
  #context;
  #onChange;
  #pointer = null;
  #cursor = { x: 0.5, y: 0.3, down: false, shown: false };
  #picture = null;
  #asked = false;

  // `onChange` is told once a frame at most, when the strokes have changed.
  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#onChange = onChange;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#release(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#hide());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  get empty() {
    return !this.strokes.length && !this.#picture;
  }

  clear() {
    this.#take([]);
  }

  undo() {
    this.#take(this.strokes.slice(0, -1));
  }

  // Shows a picture of pixels instead of strokes.
  show(picture) {
    this.strokes = [];
    this.#picture = picture;
    this.draw();
  }

  draw() {
    const { width, height } = this.#canvas;
    this.#context.clearRect(0, 0, width, height);
    if (this.#picture) {
      this.#context.imageSmoothingEnabled = false;
      this.#context.drawImage(this.#picture, 0, 0, width, height);
    }
    this.#ink(this.strokes);
    if (this.#cursor.shown) this.#drawCursor(width, height);
  }

  #take(strokes) {
    this.strokes = strokes;
    this.#picture = null;
    this.#cursor.down = false;
    this.draw();
    this.#changed();
  }

  #resize() {
    const scale = window.devicePixelRatio || 1;
    this.#canvas.width = Math.max(1, Math.round(this.#canvas.clientWidth * scale));
    this.#canvas.height = Math.max(1, Math.round(this.#canvas.clientHeight * scale));
    this.draw();
  }

  #ink(strokes) {
    const { width, height } = this.#canvas;
    this.#context.strokeStyle = colour("--ink");
    this.#context.lineWidth = PEN * width;
    trace(this.#context, strokes, ({ x, y }) => [x * width, y * height]);
  }

  #drawCursor(width, height) {
    const [x, y] = [this.#cursor.x * width, this.#cursor.y * height];
    this.#context.beginPath();
    this.#context.arc(x, y, (PEN * width) / 2 + 3, 0, 7);
    this.#context.lineWidth = 3;
    this.#context.strokeStyle = colour("--accent");
    this.#context.fillStyle = colour("--accent");
    this.#context.stroke();
    if (this.#cursor.down) this.#context.fill();
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: inside((event.clientX - box.left) / box.width), y: inside((event.clientY - box.top) / box.height) };
  }

  #press(event) {
    if (event.button || this.#pointer !== null) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#cursor.shown = this.#cursor.down = false;
    this.#picture = null;
    this.strokes.push([this.#point(event)]);
    this.draw();
    this.#changed();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.strokes.at(-1);
    const from = stroke.length - 1;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) stroke.push(this.#point(each));
    // Only what is new: a long stroke costs no more than a short one.
    this.#ink([stroke.slice(from)]);
    this.#changed();
  }

  #release(event) {
    if (event.pointerId === this.#pointer) this.#pointer = null;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) this.#step(move, event.shiftKey ? STEP / 3 : STEP);
    else if (event.key === " ") this.#toggle();
    else if (event.key === "Backspace") this.undo();
    else if (event.key === "Escape" || event.key === "Delete") this.clear();
    else return;
    event.preventDefault();
  }

  #step([dx, dy], step) {
    const cursor = this.#cursor;
    cursor.x = inside(cursor.x + dx * step);
    cursor.y = inside(cursor.y + dy * step);
    cursor.shown = true;
    if (cursor.down) {
      this.strokes.at(-1).push({ x: cursor.x, y: cursor.y });
      this.#changed();
    }
    this.draw();
  }

  #toggle() {
    const cursor = this.#cursor;
    cursor.shown = true;
    cursor.down = !cursor.down;
    if (cursor.down) {
      this.#picture = null;
      this.strokes.push([{ x: cursor.x, y: cursor.y }]);
      this.#changed();
    }
    this.draw();
  }

  #hide() {
    this.#cursor.shown = this.#cursor.down = false;
    this.draw();
  }

  #changed() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#onChange();
    });
  }
}
