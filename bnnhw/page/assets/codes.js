// Pixels to codes and request payloads, and answers to numbers, as a manifest says.

// Codes of an image, in the order of the network's shape: channel, row, column.
export function encode(input, pixels) {
  if (!input.lut) return Array.from(pixels);
  const many = Array.isArray(input.lut[0]);
  if (!many) return Array.from(pixels, (pixel) => input.lut[pixel]);
  const channels = input.shape[0];
  const size = input.elements / channels;
  const codes = [];
  for (let c = 0; c < channels; c++) {
    const from = input.image_channels === 1 ? 0 : c * size;
    for (let k = 0; k < size; k++) codes.push(input.lut[c][pixels[from + k]]);
  }
  return codes;
}

export function pack(input, codes) {
  const payload = new Uint8Array(input.frame_bytes);
  ordered(input, codes).forEach((code, element) => {
    for (let bit = 0; bit < input.bits; bit++) {
      const at = element * input.bits + bit;
      payload[at >> 3] |= ((code >> bit) & 1) << (at & 7);
    }
  });
  return payload;
}

function ordered(input, codes) {
  if (input.order !== "hwc" || input.shape.length !== 3) return codes;
  const [channels, height, width] = input.shape;
  const size = height * width;
  return codes.map((_, k) => codes[(k % channels) * size + Math.floor(k / channels)]);
}

export function answerBytes(output) {
  const one = output.bytes + output.index_bytes;
  return output.top ? output.top * one : output.classes * output.bytes + output.index_bytes;
}

function little(bytes, at, count) {
  let value = 0;
  for (let k = count - 1; k >= 0; k--) value = value * 256 + bytes[at + k];
  return value;
}

// Gives null where a class is named that does not exist.
export function unpack(output, bytes) {
  const { bytes: wide, index_bytes: index, classes } = output;
  const logits = [];
  const named = [];
  if (output.top) {
    for (let k = 0; k < output.top; k++) {
      const at = k * (wide + index);
      logits.push(output.low + output.step * little(bytes, at, wide));
      named.push(little(bytes, at + wide, index));
    }
  } else {
    for (let c = 0; c < classes; c++) logits.push(output.low + output.step * little(bytes, c * wide, wide));
    named.push(little(bytes, classes * wide, index));
  }
  if (named.some((kind) => kind >= classes)) return null;
  return { class: named[0], logits, top: output.top ? named : null };
}
