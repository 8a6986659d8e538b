// Draws the history of one series as panels over one time axis, with uPlot: values with alarms, the spectrogram (colour
// = reading, upwards = threshold, evenly spaced in atanh), modulus, variance, evidence with its alarm line, states.
import uPlot from "./uplot/uPlot.esm.js";

const LEFT = 58;
const HEIGHTS = { value: 150, readings: 230, modulus: 90, spread: 90, evidence: 80, state: 34 };
const SMALL = { readings: 190, evidence: 56 };
const TIME = 38; // height of the labels of the time axis, which are two lines
const FULL = 8; // reading, in null standard deviations, of the deepest colour
const THRESHOLDS = [-0.95, -0.8, -0.5, 0, 0.5, 0.8, 0.95, 0.99];
const STATE_HEIGHT = { critical: 1, warning: 0.75, watching: 0.4, learning: 0.2, blind: 1 };
const LINES = ["value_low", "value_high", "lag1", "low", "high", "modulus", "spread", "evidence"];
const bound = (r) => Math.min(0.9999, Math.max(-0.9999, r));

export function theme(element) {
  const style = getComputedStyle(element);
  const names = ["cold2", "cold1", "zero", "warm1", "warm2", "notready", "over", "halo", "soft", "line", "alarm", "dot", "band", "card",
    "critical", "warning", "watching", "learning", "blind"];
  return Object.fromEntries([...names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]), ["font", `11px ${style.fontFamily}`]]);
}

// Colours from one end of the readings to the other. Most of them lie near zero, which is where the question is
// decided: beyond three standard deviations one side is as sure as it needs to be.
function ramp(look) {
  const parts = [look.cold2, look.cold1, look.zero, look.warm1, look.warm2].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return (reading) => {
    const share = Math.asinh(reading) / Math.asinh(FULL);
    const place = 2 * (Math.min(1, Math.max(-1, share)) + 1);
    const low = Math.min(3, Math.floor(place));
    return `rgb(${parts[low].map((value, at) => Math.round(value + (parts[low + 1][at] - value) * (place - low))).join(",")})`;
  };
}

// Where each column begins: at the end of the one before, but not over a gap.
function beginsOf(times, cadence) {
  const steps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
  const usual = steps.length ? steps[steps.length >> 1] : (cadence ?? 1) * 1e6;
  return times.map((time, at) => (at && time - times[at - 1] < 2.5 * usual ? times[at - 1] : time - usual));
}

// One list of columns: of the whole history and, in place of its end, of the last ticks ever finer; null rows at gaps.
export function columnsOf(data) {
  const rows = [];
  const parts = [data, ...data.recent].map((part) => ({ part, begins: beginsOf(part.time_us, data.cadence_seconds) }));
  parts.forEach(({ part, begins }, which) => {
    const until = parts[which + 1]?.begins[0] ?? Infinity;
    const after = rows.length ? rows[rows.length - 1].end * 1e6 - 1 : -Infinity;
    part.time_us.forEach((time, at) => {
      if (begins[at] < after || begins[at] >= until) return;
      const lines = Object.fromEntries(LINES.map((name) => [name, part[name][at]]));
      rows.push({ ...lines, begin: begins[at] / 1e6, end: time / 1e6, state: part.state[at], readings: part.readings[at] });
    });
  });
  const found = [];
  for (const row of rows) {
    const before = found[found.length - 1];
    if (before && row.begin > before.end + 1e-6) found.push({ ...Object.fromEntries(LINES.map((name) => [name, null])), begin: before.end, end: row.begin, gap: true });
    found.push(row);
  }
  return found;
}

const at = (u, value, key) => u.valToPos(value, key, true);

function paintReadings(u, data, rows, look) {
  const pen = u.ctx, colour = ramp(look), us = data.thresholds.map(Math.atanh), half = us.length > 1 ? (us[1] - us[0]) / 2 : 0.5;
  const { left, top, width, height } = u.bbox;
  const edges = us.map((v) => [Math.round(at(u, Math.tanh(v + half), "y")), Math.round(at(u, Math.tanh(v - half), "y"))]);
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.fillStyle = look.notready; // what no column covers is missing
  pen.fillRect(left, top, width, height);
  for (const row of rows) {
    if (row.gap || row.end < u.scales.x.min || row.begin > u.scales.x.max) continue;
    const x = Math.round(at(u, row.begin, "x")), wide = Math.max(1, Math.round(at(u, row.end, "x")) - x);
    row.readings.forEach((reading, index) => {
      if (reading === data.missing) return;
      pen.fillStyle = colour(reading / data.scale);
      pen.fillRect(x, edges[index][0], wide, edges[index][1] - edges[index][0]);
    });
  }
  pen.strokeStyle = look.alarm;
  pen.setLineDash([5, 4]);
  for (const r of data.rules) level(u, r);
  pen.restore();
}

function level(u, value) {
  u.ctx.beginPath();
  u.ctx.moveTo(u.bbox.left, at(u, value, "y"));
  u.ctx.lineTo(u.bbox.left + u.bbox.width, at(u, value, "y"));
  u.ctx.stroke();
}

// States differ by height and, where a series is blind, by stripes: not by colour alone.
function paintStates(u, data, rows, look) {
  const pen = u.ctx, { top, height } = u.bbox;
  for (const row of rows) {
    if (row.gap || row.end < u.scales.x.min || row.begin > u.scales.x.max) continue;
    const name = data.states[row.state];
    const x = Math.max(u.bbox.left, Math.round(at(u, row.begin, "x"))), end = Math.min(u.bbox.left + u.bbox.width, Math.round(at(u, row.end, "x")));
    const high = height * STATE_HEIGHT[name];
    pen.fillStyle = look[name];
    if (name !== "blind") pen.fillRect(x, top + height - high, Math.max(1, end - x), high);
    else for (let y = top; y < top + height; y += 6) pen.fillRect(x, y, Math.max(1, end - x), 3);
  }
}

function paintEvents(u, data, look) {
  const pen = u.ctx, { left, top, width, height } = u.bbox;
  for (const event of data.events) {
    const time = event.time_us / 1e6;
    if (!(time >= u.scales.x.min && time <= u.scales.x.max)) continue;
    const x = Math.round(at(u, time, "x")) + 0.5;
    pen.save();
    pen.strokeStyle = event.what === "raised" ? look[event.severity] ?? look.alarm : look.soft;
    pen.setLineDash(event.what === "raised" ? [] : [3, 4]);
    pen.lineWidth = devicePixelRatio * (event.what === "raised" ? 1.75 : 1);
    pen.beginPath();
    pen.moveTo(x, top);
    pen.lineTo(x, top + height);
    pen.stroke();
    pen.restore();
  }
}

function name(u, words, look, low) {
  const pen = u.ctx, ratio = devicePixelRatio, y = u.bbox.top + (low ? u.bbox.height - 16 * ratio : 4 * ratio);
  pen.save();
  pen.font = look.font.replace("11px", `${11 * ratio}px`);
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.lineWidth = 3 * ratio;
  pen.strokeStyle = look.card;
  pen.strokeText(words, u.bbox.left + 6 * ratio, y);
  pen.fillStyle = look.soft;
  pen.fillText(words, u.bbox.left + 6 * ratio, y);
  pen.restore();
}

// Powers of two in sight, at most four of them.
function doublings(u) {
  const [low, high] = [u.scales.y.min, u.scales.y.max].map(Math.log2);
  const step = Math.max(1, Math.ceil((high - low) / 4));
  const found = [];
  for (let power = Math.ceil(low / step) * step; power <= high; power += step) found.push(2 ** power);
  return found;
}

// What each panel shows: its rows for uPlot, its lines, its scale, its hooks.
function panelOf(kind, data, rows, look, other) {
  const column = (line) => rows.map((row) => row[line]);
  const line = (stroke, width = 1.5, more = {}) => ({ stroke, width, points: { show: false }, ...more });
  const atanh = { distr: 100, fwd: (r) => Math.atanh(bound(r)), bwd: Math.tanh };
  const us = data.thresholds.map(Math.atanh), half = us.length > 1 ? (us[1] - us[0]) / 2 : 0.5;
  const ends = [Math.tanh(us[0] - half), Math.tanh(us[us.length - 1] + half)];
  const number = (r) => r.toString().replace("-", "−");
  switch (kind) {
    case "value": {
      const lines = [line(look.dot, 1.25), line(look.dot, 1.25)];
      const bands = [{ series: [2, 1], fill: look.band }];
      const own = [rows.map((row) => row.end), column("value_low"), column("value_high")];
      if (!other) return { words: `value${data.unit ? `, ${data.unit}` : ""}`, own, lines, bands, scale: {} };
      const theirs = columnsOf(other);
      const both = [theirs.map((row) => row.end), theirs.map((row) => (row.value_low === null ? null : (row.value_low + row.value_high) / 2))];
      return { words: `value${data.unit ? `, ${data.unit}` : ""}; dashed: ${other.name}`, own: uPlot.join([own, both]), lines: [...lines, line(look.warm2, 1, { dash: [4, 3] })], bands, scale: {} };
    }
    case "readings":
      return { words: "", own: [column("low"), column("high"), column("lag1"), column("lag1")], lines: [line(look.over, 1), line(look.over, 1), line(look.halo, 4), line(look.over, 2)],
        scale: { ...atanh, range: () => ends }, splits: THRESHOLDS.filter((r) => r > ends[0] && r < ends[1]), say: number, under: paintReadings };
    case "modulus":
      return { words: "modulus, oscillations included", own: [column("modulus")], lines: [line(look.dot)], scale: { ...atanh, range: () => [0, 0.995] }, splits: [0.5, 0.8, 0.95], say: number };
    case "spread":
      return { words: "variance, × its own past", own: [rows.map((row) => (row.spread === null ? null : Math.exp(row.spread)))], lines: [line(look.dot)],
        scale: { distr: 3, log: 2, range: (_, low, high) => [Math.min(0.5, low ?? 1), Math.max(2, high ?? 1)] }, splits: doublings, say: (r) => `${r}` };
    case "evidence": {
      const floor = Math.min(-1, data.evidence_floor);
      return { words: "evidence", own: [column("evidence")], lines: [line(look.dot, 1.25, { fill: look.band, fillTo: floor })],
        scale: { range: (_, __, high) => [floor, Math.max(0.6, high ?? 0)] }, splits: [0], say: () => "alarm", line: 0 };
    }
    default:
      return { words: "", own: [rows.map(() => null)], lines: [line(look.soft)], scale: { range: () => [0, 1] }, splits: [0.5], say: () => "state", under: paintStates };
  }
}

const TICKS = { year: "{YYYY}", day: "{D} {MMM}", clock: "{HH}:{mm}" };
const TIMES = [
  [3600 * 24 * 365, TICKS.year, null, null, null, null, null, null, 1], [3600 * 24 * 28, `{MMM} ${TICKS.year}`, null, null, null, null, null, null, 1],
  [3600 * 24, TICKS.day, `\n${TICKS.year}`, null, null, null, null, null, 1], [60, TICKS.clock, `\n${TICKS.day}`, null, `\n${TICKS.day}`, null, null, null, 1],
  [1, `${TICKS.clock}:{ss}`, `\n${TICKS.day}`, null, `\n${TICKS.day}`, null, null, null, 1], [0.001, "{ss}.{fff}", null, null, null, null, null, null, 1],
];

const yearOf = (time) => new Date(time * 1e3).getUTCFullYear();
const beginOf = (year) => new Date(0).setUTCFullYear(year, 0, 1) / 1e3;

// Labels of the time axis of a record of centuries: uPlot takes the years 0 to 99 for 1900 to 1999, and has no step above a century.
const YEARS = {
  incrs: [1e15], // none of its own
  splits: (u, _, from, to) => {
    const least = Math.max(1, ((yearOf(to) - yearOf(from)) * 64 * devicePixelRatio) / u.bbox.width), unit = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].find((many) => many * unit >= least) * unit, first = Math.ceil(yearOf(from) / step);
    return Array.from({ length: Math.max(0, Math.floor(yearOf(to) / step) - first + 1) }, (_, n) => beginOf((first + n) * step));
  },
  values: (_, splits) => splits.map((time) => `${yearOf(time)}`),
};

const isOfCenturies = (rows, data) => rows.length > 0 && (rows[0].begin < beginOf(100) || (data.cadence_seconds > 2e6 && rows.at(-1).end - rows[0].begin > 1e10));

// Draws all panels into `place`; `view` gives the seconds shown, [from, to]; `moved` is called with those that a reader
// drew, null for everything; `hovered` with the time under the pointer.
export function draw(place, data, { kinds, small, other, view, moved, hovered }) {
  const rows = columnsOf(data), look = theme(place), width = place.clientWidth;
  const key = uPlot.sync(`${data.name} ${Math.random()}`);
  const charts = kinds.map((kind, index) => {
    const panel = panelOf(kind, data, rows, look, other), last = index === kinds.length - 1;
    const hooks = {
      drawClear: [(u) => panel.under?.(u, data, rows, look)],
      draw: [(u) => {
        if (panel.line !== undefined) { u.ctx.strokeStyle = look.alarm; u.ctx.lineWidth = 1.25 * devicePixelRatio; level(u, panel.line); }
        if (kind !== "state") paintEvents(u, data, look);
        if (!small && panel.words) name(u, panel.words, look, kind === "evidence");
      }],
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        moved([u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")]);
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
      setCursor: [(u) => hovered?.(u.cursor.idx === null || u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x"), rows)],
    };
    const [min, max] = view(rows);
    return new uPlot({
      width, height: (small ? SMALL : HEIGHTS)[kind] + (last ? TIME : 0), padding: [6, 24, last ? 0 : 5, 0], hooks, legend: { show: false }, bands: panel.bands ?? [],
      tzDate: (time) => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC"),
      cursor: { show: !small, y: false, points: { show: false }, sync: { key: key.key }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => moved(null) } },
      scales: { x: { time: !data.numbered, auto: false, min, max }, y: { auto: true, ...panel.scale } },
      axes: [
        { show: last, size: TIME, stroke: look.soft, font: look.font, grid: { show: false }, ticks: { stroke: look.soft, size: 4, width: 1 }, ...(data.numbered ? {} : isOfCenturies(rows, data) ? YEARS : { values: TIMES }), space: 64, gap: 3 },
        { size: LEFT, stroke: look.soft, font: look.font, grid: { show: kind === "value" || kind === "spread", stroke: look.line, width: 1 }, ticks: { show: false }, gap: 6, space: 26,
          ...(panel.splits ? { splits: typeof panel.splits === "function" ? panel.splits : () => panel.splits, filter: (_, splits) => splits, values: (_, splits) => splits.map(panel.say) } : {}) },
      ],
      series: [{}, ...panel.lines],
    }, panel.own.length > panel.lines.length ? panel.own : [rows.map((row) => row.end), ...panel.own], place);
  });
  return {
    show([min, max]) {
      for (const one of charts) one.setScale("x", { min, max });
    },
    destroy() { for (const one of charts) one.destroy(); },
  };
}
