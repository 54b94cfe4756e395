// Numbers as pictures, in the page's colours.

const MOST = 24;
const RAGGED = 0.8;

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function channels(name) {
  const text = colour(name);
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function mix(from, to, share) {
  return from.map((value, k) => Math.round(value + (to[k] - value) * share));
}

// Paints `values` of a table of `width` × `height` cells, each in the colour that `shade` gives.
function paintTable(canvas, width, height, shade, scale = 1) {
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const rgb = shade(y * width + x);
      if (!rgb) continue;
      context.fillStyle = `rgb(${rgb.join(" ")})`;
      context.fillRect(x * scale, y * scale, scale, scale);
    }
  }
}

// A grey or colour picture of codes from 0 to `top`.
export function paintPicture(canvas, pixels, [depth, height, width], top) {
  const [low, ink] = [channels("--low"), channels("--ink")];
  const size = height * width;
  paintTable(canvas, width, height, (k) => (depth === 3
    ? [0, 1, 2].map((c) => Math.round((255 * pixels[c * size + k]) / top))
    : mix(low, ink, pixels[k] / top)));
}

// One plane of codes from 0 to `most`.
export function paintPlane(canvas, codes, height, width, most) {
  const [low, accent] = [channels("--low"), channels("--accent")];
  paintTable(canvas, width, height, (k) => mix(low, accent, codes[k] / Math.max(1, most)));
}

function shader(layer) {
  const [low, accent, minus] = [channels("--low"), channels("--accent"), channels("--minus")];
  if (layer.levels === 2) return (value) => (value === layer.high ? accent : low);
  if (layer.low >= 0) return (value) => mix(low, accent, value / Math.max(1, layer.high));
  const most = layer.values.reduce((best, value) => Math.max(best, Math.abs(value)), 1);
  return (value) => mix(low, value < 0 ? minus : accent, Math.abs(value) / most);
}

// A layer: its channels side by side, or a vector folded into a rectangle.
export function paintLayer(canvas, layer, wide, high) {
  const [, height, width] = layer.shape;
  const single = height * width === 1;
  const [h, w, gap] = single ? [1, 1, 0] : [height, width, 1];
  const across = columns(layer.channels, w + gap, h + gap, wide + gap, high + gap);
  const down = Math.ceil(layer.channels / across);
  const [cellsX, cellsY] = [across * (w + gap) - gap, down * (h + gap) - gap];
  const scale = Math.max(1, Math.min(Math.floor(wide / cellsX), Math.floor(high / cellsY), MOST));
  const shade = shader(layer);
  const at = (cell) => {
    const [x, y] = [cell % cellsX, Math.floor(cell / cellsX)];
    const [inX, inY] = [x % (w + gap), y % (h + gap)];
    const channel = Math.floor(y / (h + gap)) * across + Math.floor(x / (w + gap));
    if (inX >= w || inY >= h || channel >= layer.channels) return null;
    return shade(layer.values[(channel * h + inY) * w + inX]);
  };
  paintTable(canvas, cellsX, cellsY, at, scale);
}

// So many pictures a row that they are as large as may be; a last row that is not full counts against it.
function columns(count, w, h, wide, high) {
  let best = { across: 1, score: 0 };
  for (let across = 1; across <= count; across++) {
    const down = Math.ceil(count / across);
    const scale = Math.min(Math.floor(wide / (across * w)), Math.floor(high / (down * h)), MOST);
    const score = across * down === count ? scale : scale * RAGGED;
    if (score >= best.score) best = { across, score };
  }
  return best.across;
}
