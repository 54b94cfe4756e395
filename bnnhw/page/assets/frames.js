// Frames of docs/protocol.md as bytes: COBS, header and CRC, and a decoder that lives through any garbage.

export const VERSION = 1;
export const Kind = { HELLO: 1, INFER: 2, BENCH: 4, ERROR: 0x80, HELLO_REPLY: 0x81, RESULT: 0x82 };
const LIMIT = 1 << 17;

// CRC-16/IBM-3740; over a frame and its own CRC, high byte first, it is 0.
export function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let k = 0; k < 8; k++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return crc;
}

export function cobsEncode(bytes) {
  const out = [];
  let block = [];
  const end = (code) => {
    out.push(code, ...block);
    block = [];
  };
  let whole = false;
  for (const byte of bytes) {
    // A full block ends by itself, and needs no other behind it where the bytes end as well.
    whole = false;
    if (byte) block.push(byte);
    else end(block.length + 1);
    if (block.length === 254) {
      end(255);
      whole = true;
    }
  }
  if (!whole) end(block.length + 1);
  return Uint8Array.from(out);
}

// Gives null for what is no COBS.
export function cobsDecode(bytes) {
  const out = [];
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at];
    if (!code || at + code > bytes.length) return null;
    for (let k = at + 1; k < at + code; k++) {
      if (!bytes[k]) return null;
      out.push(bytes[k]);
    }
    at += code;
    if (code < 255 && at < bytes.length) out.push(0);
  }
  return Uint8Array.from(out);
}

export function encodeFrame(kind, sequence, payload = []) {
  const body = [VERSION, kind, sequence, ...payload];
  const crc = crc16(body);
  return Uint8Array.from([...cobsEncode([...body, crc >> 8, crc & 255]), 0]);
}

export class Decoder {
  bad = 0;
  #pending = [];
  #overlong = false;

  // Takes the next bytes and gives the frames that they complete.
  feed(bytes) {
    const frames = [];
    for (const byte of bytes) {
      if (byte) {
        if (this.#pending.length < LIMIT) this.#pending.push(byte);
        else this.#overlong = true;
        continue;
      }
      const frame = this.#finish();
      if (frame) frames.push(frame);
    }
    return frames;
  }

  #finish() {
    const [encoded, overlong] = [this.#pending, this.#overlong];
    this.#pending = [];
    this.#overlong = false;
    if (!encoded.length) return null;
    const raw = overlong ? null : cobsDecode(encoded);
    if (!raw || raw.length < 5 || crc16(raw)) {
      this.bad++;
      return null;
    }
    return { version: raw[0], kind: raw[1], sequence: raw[2], payload: raw.slice(3, -2) };
  }
}
