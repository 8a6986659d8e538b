// One figure of a page: fetches the history of its series, draws it, and lets a reader choose what part of it to see.
import { columnsOf, draw } from "./charts.js";

const HOUR = 3600, DAY = 24 * HOUR;
const SPANS = [["6 h", 6 * HOUR], ["1 d", DAY], ["1 w", 7 * DAY], ["1 month", 30.4 * DAY], ["1 y", 365.25 * DAY], ["all", null]];
const FEWEST = 5; // ticks in a span that can be chosen
const answers = new Map(); // address -> { etag, data }

async function fetchHistory(address) {
  const known = answers.get(address);
  const answer = await fetch(address, { headers: known ? { "If-None-Match": known.etag } : {}, cache: "no-store" });
  if (answer.status === 304) return known.data;
  if (!answer.ok) return null;
  const data = await answer.json();
  answers.set(address, { etag: answer.headers.get("etag"), data });
  return data;
}

const moment = (seconds, data) => data.numbered ? `${Number(seconds.toPrecision(8))}` : `${new Date(seconds * 1e3).toISOString().slice(0, 16).replace("T", " ")} UTC`;
const number = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits).replace("-", "−"));

export class Chart {
  constructor(figure) {
    this.figure = figure;
    this.plot = figure.querySelector(".plot");
    this.kinds = figure.dataset.panels.split(" ");
    this.small = !this.kinds.includes("value");
    this.chosen = null; // seconds [from, to], or a span up to now, or null: everything
    this.drawn = null;
    if (figure.dataset.from) this.chosen = [figure.dataset.from / 1e6, figure.dataset.to / 1e6];
  }

  async refresh(force) {
    const address = this.figure.dataset.source;
    const data = await fetchHistory(address);
    if (!data || this.figure.dataset.source !== address) return;
    const other = this.small || !data.counterpart ? null : await fetchHistory(`${document.documentElement.dataset.root}/api/v1/spectrogram/${data.counterpart.split("/").map(encodeURIComponent).join("/")}`);
    if (!force && this.data === data && this.other === other && this.width === this.plot.clientWidth) return;
    Object.assign(this, { data, other });
    this.draw();
  }

  draw() {
    const { data } = this;
    this.width = this.plot.clientWidth;
    if (!data?.time_us.length) return;
    this.drawn?.destroy();
    this.drawn = draw(this.plot, data, {
      kinds: this.kinds, small: this.small, other: this.other, view: (rows) => this.view(rows),
      moved: (range) => this.show(range), hovered: (time, rows) => this.read(time, rows),
    });
    if (!this.small && !this.buttons) this.addButtons();
  }

  // Seconds shown. Without a choice everything; a span ends with the newest tick and moves on with it.
  view(rows) {
    const first = rows[0].begin, last = rows[rows.length - 1].end;
    if (Array.isArray(this.chosen)) return this.chosen;
    return this.chosen ? [Math.max(first, last - this.chosen), last] : [first, last];
  }

  show(chosen) {
    this.chosen = chosen;
    this.drawn.show(this.view(columnsOf(this.data)));
    this.press();
  }

  addButtons() {
    this.buttons = document.createElement("div");
    this.buttons.className = "zoom";
    this.buttons.setAttribute("role", "group");
    this.buttons.setAttribute("aria-label", "Time shown");
    const rows = columnsOf(this.data);
    const whole = rows[rows.length - 1].end - rows[0].begin;
    const least = this.data.numbered ? Infinity : FEWEST * (this.data.cadence_seconds ?? 0);
    for (const [words, span] of SPANS.filter(([, span]) => !span || (span < whole && span >= least))) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.span = span;
      button.onclick = () => this.show(span);
      this.buttons.append(button);
    }
    this.readout = document.createElement("span");
    this.readout.className = "readout number";
    this.readout.textContent = "Drag to zoom in, double-click to see everything.";
    this.buttons.append(this.readout);
    this.plot.before(this.buttons);
    this.press();
  }

  press() {
    for (const button of this.buttons?.querySelectorAll("button") ?? []) button.setAttribute("aria-pressed", String(button.span === this.chosen));
  }

  // Says the numbers under the pointer.
  read(time, rows) {
    if (!this.readout || time === null) return;
    const row = rows.find((each) => each.end >= time);
    if (!row || row.gap) return;
    const { unit, states } = this.data;
    const value = row.value_low === null ? "missing" : row.value_low === row.value_high ? `${row.value_low}` : `${row.value_low} to ${row.value_high}`;
    this.readout.textContent = `${moment(row.end, this.data)}: ${value}${unit && row.value_low !== null ? ` ${unit}` : ""} · lag-1 ${number(row.lag1)} (${number(row.low)} to ${number(row.high)}) · evidence ${number(row.evidence, 1)} · ${states[row.state]}`;
  }

  forget() {
    this.drawn?.destroy();
  }
}
