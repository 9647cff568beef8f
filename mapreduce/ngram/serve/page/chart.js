// chart.js - lines over the years, drawn by uPlot; or, where the program was built without it, a
// picture that the server draws.
import { $, make, number, shortNumber } from "./common.js";

const colours = {
  light: ["#1c63c0", "#c23b4e", "#1f7f4c", "#8447bd", "#b45f06", "#0c7c7e", "#ad1795", "#636b2f", "#3a4048", "#8d5a33"],
  dark: ["#6cb2ff", "#ff8a94", "#5fd39a", "#c59bff", "#ffb454", "#4fd6d8", "#ff8be4", "#c3cb8f", "#e3e7ee", "#e0ad84"],
};
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [4, 4], [1, 4]];

let plot = null;
let shown = null; // the answer that is drawn
let tip = null;

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

// What a colour of the style sheet is now.
function colour(name) {
  const probe = make("span", { hidden: "" });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const colourOf = (i) => colours[isDark() ? "dark" : "light"][i % 10];

// ---- Drawing -----------------------------------------------------------------------------------

function axes() {
  const stroke = colour("--soft");
  const grid = { stroke: colour("--grid"), width: 1 };
  return [
    { stroke, size: 34, grid: { show: false }, ticks: { stroke: grid.stroke, size: 5 }, values: (u, years) => years.map((y) => (Number.isInteger(y) ? String(y) : "")) },
    { stroke, grid, ticks: { show: false }, size: 62, values: (u, splits) => splits.map(shortNumber) },
  ];
}

function lines(answer) {
  return answer.ngrams.map((line, i) => ({
    label: line.ngram,
    stroke: colourOf(i),
    width: 2,
    dash: dashes[Math.floor(i / 10) % dashes.length],
    points: { show: answer.years.length === 1, size: 7 },
  }));
}

function size() {
  const width = Math.max(260, $("chart").clientWidth);
  return { width, height: Math.round(Math.min(430, Math.max(240, width * 0.45))) };
}

function drawWithLibrary(answer) {
  tip = make("div", { class: "tip", hidden: "", "aria-hidden": "true" });
  plot = new uPlot({
    ...size(),
    scales: { x: { time: false }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
    series: [{}, ...lines(answer)],
    axes: axes(),
    padding: [14, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, focus: { prox: 24 }, points: { size: 7 } },
    focus: { alpha: 0.35 },
    hooks: { setCursor: [showTip] },
  }, [answer.years, ...answer.ngrams.map((line) => line.values)], $("chart"));
  plot.over.append(tip);
}

function drawAsPicture(query) {
  const picture = make("img", { alt: "", src: `/api/chart.svg?${query}` });
  picture.addEventListener("error", () => {
    picture.replaceWith(make("p", { class: "hint" }, "No drawing can be had here; the table below has the numbers."));
  });
  $("chart").replaceChildren(picture);
  $("chart-help").hidden = true;
}

// ---- The numbers of a year -----------------------------------------------------------------------

// The lines that are shown, the highest first.
function ranked(index) {
  return shown.ngrams
    .map((line, i) => ({ name: line.ngram, value: line.values[index], colour: colourOf(i), visible: plot.series[i + 1].show }))
    .filter((line) => line.visible)
    .sort((a, b) => (b.value ?? -1) - (a.value ?? -1));
}

function showTip(u) {
  const index = u.cursor.idx;
  if (index === null || index === undefined || u.cursor.left < 0) {
    tip.hidden = true;
    return;
  }
  const rows = ranked(index).slice(0, 12).map((line) => {
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = line.colour;
    return make("div", {}, swatch, make("span", {}, line.name), make("span", {}, number(line.value)));
  });
  tip.replaceChildren(make("b", {}, String(shown.years[index])), ...rows);
  tip.hidden = false;
  const left = u.cursor.left > u.over.clientWidth / 2;
  tip.style.left = left ? "auto" : `${u.cursor.left + 14}px`;
  tip.style.right = left ? `${u.over.clientWidth - u.cursor.left + 14}px` : "auto";
}

function moveCursor(event) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
  if (!plot || !shown || !(event.key in steps || event.key === "Home" || event.key === "End")) return;
  event.preventDefault();
  const last = shown.years.length - 1;
  const now = plot.cursor.idx ?? (steps[event.key] > 0 ? -1 : last + 1);
  const index = event.key === "Home" ? 0 : event.key === "End" ? last : Math.min(last, Math.max(0, now + steps[event.key]));
  plot.setCursor({ left: plot.valToPos(shown.years[index], "x"), top: 10 });
  $("years-status").textContent =
    `${shown.years[index]}: ` + ranked(index).slice(0, 5).map((line) => `${line.name} ${number(line.value)}`).join(", ");
}

// ---- The legend ------------------------------------------------------------------------------------

function legendEntry(line, i) {
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = colourOf(i);
  const button = make("button", { type: "button", "aria-pressed": "true" }, swatch, line.ngram);
  button.addEventListener("click", () => {
    const show = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(show));
    plot.setSeries(i + 1, { show });
  });
  for (const [event, focus] of [["pointerenter", true], ["pointerleave", false]])
    button.addEventListener(event, () => plot?.setSeries(i + 1, { focus }, false));
  return make("li", {}, button);
}

// ---- From outside ----------------------------------------------------------------------------------

export function clearChart() {
  plot?.destroy();
  plot = shown = null;
  $("chart").replaceChildren();
  $("legend").replaceChildren();
}

export function drawChart(answer, query) {
  clearChart();
  shown = answer;
  const names = answer.ngrams.map((line) => line.ngram);
  $("chart-caption").textContent = answer.unit === "match_count" ? "occurrences a year" : answer.unit;
  $("chart").setAttribute("aria-label", `Chart of ${names.join(", ")}, ${answer.years[0]} to ${answer.years.at(-1)}. The table below has the numbers.`);
  $("chart").removeAttribute("aria-labelledby");
  if (typeof uPlot === "undefined") {
    drawAsPicture(query);
    return;
  }
  drawWithLibrary(answer);
  $("legend").replaceChildren(...answer.ngrams.map(legendEntry));
}

$("chart").addEventListener("keydown", moveCursor);
$("chart").addEventListener("blur", () => plot?.setCursor({ left: -10, top: -10 }));
new ResizeObserver(() => plot?.setSize(size())).observe($("chart"));
addEventListener("themechange", () => {
  if (plot) drawChart(shown, "");
});
