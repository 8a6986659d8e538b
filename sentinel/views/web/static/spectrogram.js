// Draws one stability spectrogram on a canvas: time to the right, threshold upwards (evenly spaced in atanh), colour =
// reading; over it the zero crossing (lag-1 autocorrelation) with its band, under it evidence with its alarm line.

const MARGIN = { left: 58, right: 14, top: 8, bottom: 22 };
const STRIP = 0.19; // share of the height for evidence
const GAP = 14;
const FULL = 7.5; // reading, in null standard deviations, of the deepest colour
const LABELS = [-0.95, -0.8, -0.5, 0, 0.5, 0.8, 0.95, 0.99];
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MONTH = 30.4 * DAY, YEAR = 365.25 * DAY;
const STEPS = [
  0.1 * SECOND, SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY,
  MONTH, 3 * MONTH, 6 * MONTH, YEAR, 2 * YEAR, 5 * YEAR, 10 * YEAR, 20 * YEAR, 50 * YEAR, 100 * YEAR, 500 * YEAR,
];

function theme(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["cold2", "cold1", "zero", "warm1", "warm2", "notready", "over", "halo", "soft", "line", "alarm", "dot"];
  const found = Object.fromEntries(names.map((name) => [name, colour(name)]));
  found.font = `11px ${style.fontFamily}`;
  return found;
}

function ramp(anchors, steps) {
  const parts = anchors.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Array.from({ length: steps }, (_, index) => {
    const place = (index / (steps - 1)) * (parts.length - 1);
    const low = Math.min(parts.length - 2, Math.floor(place));
    const mixed = parts[low].map((value, at) => Math.round(value + (parts[low + 1][at] - value) * (place - low)));
    return `rgb(${mixed.join(",")})`;
  });
}

// Left and right edge of each column in microseconds: a column reaches back to the one before, but not over a gap.
function edges(times) {
  const steps = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
  const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 1e6;
  return times.map((time, index) => [index && time - times[index - 1] < 2.5 * usual ? times[index - 1] : time - usual, time]);
}

function timeTicks(begin, end, room) {
  const step = STEPS.find((size) => (end - begin) / size <= room) ?? STEPS[STEPS.length - 1];
  const ticks = [];
  if (step < MONTH) {
    for (let at = Math.ceil(begin / step) * step; at <= end; at += step) ticks.push(at);
  } else {
    const months = step < YEAR ? Math.round(step / MONTH) : 12 * Math.round(step / YEAR);
    const first = new Date(begin);
    let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months;
    for (; ; month += months) {
      const at = new Date(0).setUTCFullYear(Math.floor(month / 12), month % 12, 1);
      if (at > end) break;
      if (at >= begin) ticks.push(at);
    }
  }
  return ticks.map((at) => [at, timeLabel(new Date(at), step)]);
}

function timeLabel(date, step) {
  const say = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(date);
  if (step >= YEAR) return String(date.getUTCFullYear());
  if (step >= MONTH) return say({ month: "short", year: "numeric" });
  if (step >= DAY || date % DAY === 0) return say({ day: "numeric", month: "short" });
  if (step >= MINUTE) return say({ hour: "2-digit", minute: "2-digit" });
  return say({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function draw(canvas, data) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const look = theme(canvas);
  pen.font = look.font;
  pen.textBaseline = "middle";
  const columns = data.time_us.length;
  if (!columns) {
    pen.fillStyle = look.soft;
    pen.fillText("No tick yet.", MARGIN.left, height / 2);
    return;
  }
  const strip = Math.round(height * STRIP);
  const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom - strip - GAP };
  const spans = edges(data.time_us);
  const begin = spans[0][0], end = data.time_us[columns - 1];
  const x = (time) => box.left + ((time - begin) / (end - begin || 1)) * (box.right - box.left);
  const us = data.thresholds.map(Math.atanh);
  const half = us.length > 1 ? (us[1] - us[0]) / 2 : 0.5;
  const lowest = us[0] - half, highest = us[us.length - 1] + half;
  const level = (u) => box.bottom - ((Math.min(highest, Math.max(lowest, u)) - lowest) / (highest - lowest)) * (box.bottom - box.top);
  const y = (r) => level(Math.atanh(Math.min(0.99999, Math.max(-0.99999, r))));

  readings(pen, data, look, spans, x, level, us, half, scale, box);
  thresholdAxis(pen, data, look, y, box);
  const visible = spans.map(([from, to]) => [x(from), x(to)]);
  lines(pen, data, look, visible, y, box);
  evidence(pen, data, look, visible, { ...box, top: box.bottom + GAP, bottom: box.bottom + GAP + strip });
  timeAxis(pen, look, begin / 1000, end / 1000, x, { ...box, bottom: box.bottom + GAP + strip });
}

function readings(pen, data, look, spans, x, level, us, half, scale, box) {
  const colours = ramp([look.cold2, look.cold1, look.zero, look.warm1, look.warm2], 255);
  const snap = (value) => Math.round(value * scale) / scale; // no seams between neighbours
  const rows = us.map((u) => [snap(level(u + half)), snap(level(u - half))]);
  pen.fillStyle = look.notready; // what no column covers is missing
  pen.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  data.readings.forEach((column, index) => {
    const from = snap(x(spans[index][0]));
    const wide = Math.max(1 / scale, snap(x(spans[index][1])) - from);
    column.forEach((reading, row) => {
      const share = reading / data.scale / FULL;
      pen.fillStyle = reading === data.missing ? look.notready : colours[Math.round((Math.min(1, Math.max(-1, share)) + 1) * 127)];
      pen.fillRect(from, rows[row][0], wide, rows[row][1] - rows[row][0]);
    });
  });
}

function thresholdAxis(pen, data, look, y, box) {
  pen.textAlign = "right";
  pen.fillStyle = look.soft;
  for (const r of LABELS) pen.fillText(r.toString().replace("-", "−"), box.left - 8, y(r));
  for (const r of data.rules) {
    pen.strokeStyle = look.alarm;
    pen.setLineDash([5, 4]);
    pen.lineWidth = 1.25;
    stroke(pen, [[box.left, y(r)], [box.right, y(r)]]);
    pen.setLineDash([]);
    pen.fillStyle = look.alarm;
    pen.beginPath();
    pen.moveTo(box.right + 3, y(r));
    pen.lineTo(box.right + 10, y(r) - 4);
    pen.lineTo(box.right + 10, y(r) + 4);
    pen.fill();
  }
}

function stroke(pen, points) {
  pen.beginPath();
  points.forEach(([at, up], index) => (index ? pen.lineTo(at, up) : pen.moveTo(at, up)));
  pen.stroke();
}

// Unbroken pieces of a line: it ends where a number is not ready and at a gap in time.
function pieces(values, visible) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const joined = index && values[index - 1] !== null && visible[index][0] - visible[index - 1][1] < 0.5;
    if (!joined) found.push([]);
    found[found.length - 1].push([(visible[index][0] + visible[index][1]) / 2, value]);
  });
  return found;
}

function lines(pen, data, look, visible, y, box) {
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  pen.clip();
  pen.lineJoin = "round";
  const passes = [
    [data.low, look.over, 1, 0.7], [data.high, look.over, 1, 0.7],
    [data.lag1, look.halo, 4, 0.75], [data.lag1, look.over, 2, 1],
  ];
  for (const [values, colour, size, alpha] of passes) {
    pen.strokeStyle = colour;
    pen.lineWidth = size;
    pen.globalAlpha = alpha;
    for (const piece of pieces(values, visible)) stroke(pen, piece.map(([at, r]) => [at, y(r)]));
  }
  pen.restore();
}

function evidence(pen, data, look, visible, box) {
  const top = Math.max(0.6, ...data.evidence.map((value) => value ?? 0));
  const floor = Math.min(-1, data.evidence_floor);
  const y = (value) => box.bottom - ((Math.max(floor, value) - floor) / (top - floor)) * (box.bottom - box.top);
  for (const piece of pieces(data.evidence, visible)) {
    const outline = piece.map(([at, value]) => [at, y(value)]);
    const fill = (from, to, colour, alpha) => {
      pen.save();
      pen.beginPath();
      pen.rect(box.left, from, box.right - box.left, to - from);
      pen.clip();
      pen.globalAlpha = alpha;
      pen.fillStyle = colour;
      pen.beginPath();
      pen.moveTo(outline[0][0], box.bottom);
      outline.forEach(([at, up]) => pen.lineTo(at, up));
      pen.lineTo(outline[outline.length - 1][0], box.bottom);
      pen.fill();
      pen.globalAlpha = 1;
      pen.strokeStyle = colour;
      pen.lineWidth = 1.25;
      stroke(pen, outline);
      pen.restore();
    };
    fill(y(0), box.bottom + 1, look.dot, 0.22);
    fill(box.top - 1, y(0), look.alarm, 0.55);
  }
  pen.strokeStyle = look.alarm;
  pen.lineWidth = 1.25;
  stroke(pen, [[box.left, y(0)], [box.right, y(0)]]);
  pen.strokeStyle = look.line;
  pen.lineWidth = 1;
  stroke(pen, [[box.left, box.bottom], [box.right, box.bottom]]);
  pen.textAlign = "right";
  pen.fillStyle = look.alarm;
  pen.fillText("alarm", box.left - 8, y(0));
  pen.fillStyle = look.soft;
  if (box.bottom - 6 - y(0) > 12) pen.fillText("evidence", box.left - 8, box.bottom - 5);
}

function timeAxis(pen, look, begin, end, x, box) {
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const room = Math.max(2, Math.floor((box.right - box.left) / 68));
  for (const [at, label] of timeTicks(begin, end, room)) {
    const place = x(at * 1000);
    const wide = pen.measureText(label).width / 2;
    pen.strokeStyle = look.soft;
    pen.lineWidth = 1;
    stroke(pen, [[place, box.bottom], [place, box.bottom + 4]]);
    pen.fillStyle = look.soft;
    pen.fillText(label, Math.min(box.right + 10 - wide, Math.max(box.left + wide - 10, place)), box.bottom + 7);
  }
}
