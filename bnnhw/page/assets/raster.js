// Strokes to pixels: what was drawn fills the picture as the scans do, whatever its size and place.

const SMALL = 12;

// `strokes` are lists of {x, y} from 0 to 1; gives height × width numbers from 0 to `top`.
export function rasterise(strokes, [channels, height, width], top) {
  const points = strokes.flat();
  const grey = points.length ? sampled(strokes, points, height, width, top) : new Array(height * width).fill(0);
  return Array.from({ length: channels }, () => grey).flat();
}

function sampled(strokes, points, height, width, top) {
  const fine = Math.max(height, width) > 64 ? 1 : 4;
  const canvas = new OffscreenCanvas(width * fine, height * fine);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pen = Math.max(1.5, 0.095 * Math.min(height, width));
  const margin = Math.min(height, width) > SMALL ? 0.14 : 0;
  const place = fitted(points, height, width, pen, margin);
  context.scale(fine, fine);
  context.lineWidth = pen;
  trace(context, strokes, place);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return blocks(data, height, width, fine, top);
}

// Gives the function from a stroke's point to its place in the picture.
function fitted(points, height, width, pen, margin) {
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  const [left, right, upper, lower] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const room = [width, height].map((extent) => extent * (1 - 2 * margin) - pen);
  // A dot stays a dot.
  const scale = Math.min(room[0] / Math.max(right - left, 0.2), room[1] / Math.max(lower - upper, 0.2));
  return ({ x, y }) => [
    width / 2 + (x - (left + right) / 2) * scale,
    height / 2 + (y - (upper + lower) / 2) * scale,
  ];
}

export function trace(context, strokes, place) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach((point, k) => context[k ? "lineTo" : "moveTo"](...place(point)));
    // A line of no length is a dot.
    if (stroke.length === 1) context.lineTo(...place(stroke[0]));
    context.stroke();
  }
}

function blocks(data, height, width, fine, top) {
  const pixels = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let dy = 0; dy < fine; dy++) {
        for (let dx = 0; dx < fine; dx++) sum += data[4 * ((y * fine + dy) * width * fine + x * fine + dx) + 3];
      }
      pixels.push(Math.round((sum * top) / (255 * fine * fine)));
    }
  }
  return pixels;
}
