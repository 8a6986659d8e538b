// Draws the pictures of a report from the numbers beside them: each once it comes near the screen, all before printing.
import { Chart } from "./chart.js";

const TYPES = { Float64Array, Float32Array, Int8Array };

function unpack(figure) {
  const { packed, ...data } = JSON.parse(figure.querySelector("script").textContent);
  for (const [name, [type, text]] of Object.entries(packed)) {
    const numbers = new TYPES[type](Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
    data[name] = Array.from(numbers, (value) => (Number.isNaN(value) ? null : value));
  }
  data.value_high ??= data.value_low;
  const wide = data.thresholds.length, readings = data.readings;
  data.readings = data.time_us.map((_, at) => readings.slice(at * wide, (at + 1) * wide));
  return data;
}

document.documentElement.classList.add("scripted");  // only where scripts run is room kept for what they draw
const charts = new Map(); // figure -> Chart

function show(figure) {
  const chart = charts.get(figure) ?? Object.assign(new Chart(figure), { data: unpack(figure) });
  charts.set(figure, chart);
  if (chart.width !== chart.plot.clientWidth) chart.draw();
}

const figures = [...document.querySelectorAll("figure.chart")];
const sight = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) show(target);
}, { rootMargin: "300px" });
for (const figure of figures) sight.observe(figure);
addEventListener("resize", () => charts.forEach((_, figure) => show(figure)));
addEventListener("beforeprint", () => figures.forEach(show));
