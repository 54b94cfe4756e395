// A board at this browser's own serial port: HELLO, the check of its identity, images and answers.

import { answerBytes, encode, pack, unpack } from "./codes.js";
import { Decoder, encodeFrame, Kind, VERSION } from "./frames.js";

const ATTEMPTS = 4;
const BUSY = 4;
const CLOSING_MS = 500;
const CLOCKS_BYTES = 4;
const RUNS = 16;

export class BoardError extends Error {
  constructor(what, todo) {
    super(what);
    this.what = what;
    this.todo = todo;
  }
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readHello(payload) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const long = payload.length === 64;
  if ((payload.length !== 56 && !long) || String.fromCharCode(...payload.slice(0, 4)) !== "BNNH") return null;
  return {
    credits: payload[5],
    answer_bytes: view.getUint16(6, true),
    frame_bytes: view.getUint32(8, true),
    classes: view.getUint16(12, true),
    benchmark: Boolean(payload[14] & 1),
    clock_hz: view.getUint32(16, true),
    identity: hex(payload.slice(20, 52)),
    bad_frames: view.getUint16(52, true),
    line_errors: payload[54],
    queued: payload[55],
    writable: long,
    crc32: long && payload[58] ? view.getUint32(60, true) : null,
  };
}

export class Board {
  info = null;
  measured = null;
  #design;
  #port;
  #wait;
  #onLost;
  #reader = null;
  #reading = null;
  #decoder = new Decoder();
  #sequence = 0;
  #pending = null;
  #turn = Promise.resolve();
  #closed = false;

  // `onLost` is told when the line breaks while nobody waits for an answer.
  constructor(port, design, { onLost = () => {}, wait = 1000 } = {}) {
    this.#port = port;
    this.#design = design;
    this.#onLost = onLost;
    this.#wait = wait;
  }

  get port() {
    return this.#port;
  }

  async open() {
    try {
      await this.#port.open({ baudRate: this.#design.baud, bufferSize: 16384 });
    } catch (error) {
      throw new BoardError(`The port cannot be opened: ${error.message}`, "Close other programs that use it, and plug the board in again.");
    }
    this.#reading = this.#listen();
    try {
      await this.#write(Uint8Array.of(0));
      this.info = await this.#settle();
      this.#check(this.info);
      if (this.info.benchmark) this.measured = await this.#measure();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close() {
    this.#closed = true;
    this.#fail(new BoardError("The port was closed.", "Connect the board again."));
    try {
      await this.#reader?.cancel();
    } catch {
      // The line is gone already.
    }
    // A port that was pulled out may never say so to those who read it.
    await Promise.race([this.#reading, new Promise((done) => setTimeout(done, CLOSING_MS))]);
    await this.#port.close().catch(() => {});
  }

  // The line broke; whoever waits is told.
  lost() {
    if (this.#closed) return;
    this.#closed = true;
    const error = new BoardError("The connection to the board broke.", "Check the cable and that the board is powered, then connect again.");
    this.#fail(error);
    this.#onLost(error);
    this.#port.close().catch(() => {});
  }

  async hello() {
    const frame = await this.#ask(Kind.HELLO, [], Kind.HELLO_REPLY);
    const info = readHello(frame.payload);
    if (!info) throw this.#strange("a malformed HELLO_REPLY");
    return info;
  }

  async answer(pixels) {
    const { input, output } = this.#design.manifest;
    const payload = pack(input, encode(input, pixels));
    const frame = await this.#ask(Kind.INFER, payload, Kind.RESULT);
    if (frame.payload.length !== answerBytes(output)) throw this.#strange(`an answer of ${frame.payload.length} bytes`);
    const answer = unpack(output, frame.payload);
    if (!answer) throw this.#strange("a class that does not exist");
    return answer;
  }

  // Lets the board count its own clocks: to the answer of one image, and from answer to answer of many.
  async #measure() {
    const latency = await this.#run(1);
    const clocks = await this.#run(RUNS);
    return { cycles: (clocks - latency) / (RUNS - 1), latency };
  }

  async #run(images) {
    const { input, output } = this.#design.manifest;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // HELLO ends what an earlier attempt may have prepared.
      await this.hello();
      await this.#ask(Kind.BENCH, [images & 255, images >> 8], Kind.HELLO_REPLY);
      const { payload } = await this.#ask(Kind.INFER, new Uint8Array(input.frame_bytes), Kind.RESULT);
      const at = answerBytes(output);
      if (payload.length !== at + CLOCKS_BYTES) continue;
      return new DataView(payload.buffer, payload.byteOffset + at).getUint32(0, true);
    }
    throw new BoardError("The board did not finish counting its clocks.", "Reset the board and connect again.");
  }

  #strange(what) {
    return new BoardError(`The board sent ${what}, which does not fit its design.`, "Flash the design of this page again.");
  }

  // Waits for the answers to an earlier program, so that none is taken for ours.
  async #settle() {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const info = await this.hello();
      if (!info.queued) return info;
      await new Promise((done) => setTimeout(done, this.#wait));
    }
    throw new BoardError("The board is stuck: requests of another program stay unanswered.", "Reset the board and connect again.");
  }

  #check(info) {
    const { identity, input, output, weights } = this.#design.manifest;
    if (info.identity !== identity) {
      throw new BoardError(
        `This is the wrong build: the board runs ${info.identity.slice(0, 16)}…, this page shows ${identity.slice(0, 16)}….`,
        "Flash the design of this page, or open the page of the design on the board.",
      );
    }
    const fits = info.frame_bytes === input.frame_bytes && info.answer_bytes === answerBytes(output);
    if (!fits || info.classes !== output.classes) throw this.#strange("other sizes");
    if (info.writable && info.crc32 !== (weights ? weights.crc32 : null)) {
      throw new BoardError("The board holds no weights, or others than this page's.", "Load them once with bnnhw run, then connect again.");
    }
  }

  // One request after the other; each is sent again when nothing comes.
  #ask(kind, payload, reply) {
    const mine = this.#turn.then(() => this.#attempts(kind, payload, reply));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #attempts(kind, payload, reply) {
    const sequences = new Set();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (this.#closed) throw new BoardError("The port is closed.", "Connect the board again.");
      this.#sequence = (this.#sequence + 1) % 256;
      sequences.add(this.#sequence);
      const heard = this.#expect(sequences, reply);
      // Where writing fails nobody comes to wait for it.
      heard.catch(() => {});
      await this.#write(encodeFrame(kind, this.#sequence, payload));
      const frame = await heard;
      if (frame) return frame;
      await this.#write(Uint8Array.of(0));
    }
    const noise = this.#decoder.bad ? ` (but ${this.#decoder.bad} damaged frames came)` : "";
    throw new BoardError(`No board of bnnhw answers at this port${noise}.`, "Check that the design is flashed and that this is its serial port (UART or USB).");
  }

  // Gives the frame that answers, null on silence or where the board was busy.
  #expect(sequences, reply) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settleWith(resolve, null), this.#wait);
      this.#pending = { sequences, reply, resolve, reject, timer };
    });
  }

  #settleWith(how, value) {
    const pending = this.#pending;
    this.#pending = null;
    clearTimeout(pending?.timer);
    how(value);
  }

  #fail(error) {
    if (this.#pending) this.#settleWith(this.#pending.reject, error);
  }

  #take(frame) {
    const pending = this.#pending;
    if (!pending || !pending.sequences.has(frame.sequence)) return;
    if (frame.version !== VERSION) {
      this.#fail(new BoardError(`The board speaks protocol version ${frame.version}, this page version ${VERSION}.`, "Flash the design again, made with this version of bnnhw."));
    } else if (frame.kind === pending.reply) {
      this.#settleWith(pending.resolve, frame);
    } else if (frame.kind === Kind.ERROR && frame.payload[0] !== BUSY) {
      this.#fail(this.#strange(`error ${frame.payload[0]}`));
    }
  }

  async #write(bytes) {
    let writer;
    try {
      writer = this.#port.writable.getWriter();
      await writer.write(bytes);
    } catch {
      this.lost();
      throw new BoardError("The connection to the board broke.", "Check the cable and that the board is powered, then connect again.");
    } finally {
      writer?.releaseLock();
    }
  }

  async #listen() {
    try {
      this.#reader = this.#port.readable.getReader();
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (done) break;
        for (const frame of this.#decoder.feed(value)) this.#take(frame);
      }
    } catch {
      // A line that breaks ends the reading, and that is told below.
    }
    this.#reader?.releaseLock();
    this.lost();
  }
}
