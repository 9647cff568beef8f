// years.js - some n-grams over the years: asks the server, shows chart and table.
import { $, make, number, parametersOf, plural, problemOf, showError, unreachable } from "./common.js";
import { clearChart, drawChart } from "./chart.js";

let running = null;

function fillTable(answer) {
  const head = make("tr", {}, make("th", { scope: "col" }, "Year"),
    ...answer.ngrams.map((line) => make("th", { scope: "col" }, line.ngram)));
  const rows = answer.years.map((year, i) =>
    make("tr", {}, make("th", { scope: "row" }, String(year)),
      ...answer.ngrams.map((line) => make("td", {}, number(line.values[i])))));
  $("table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

function setDownloads(query) {
  $("csv").href = `/api/series?${query}&format=csv`;
  $("json").href = `/api/series?${query}`;
  $("svg").href = `/api/chart.svg?${query}`;
}

function summary(answer) {
  const parts = [];
  if (answer.ngrams.length)
    parts.push(`${plural(answer.ngrams.length, "n-gram")}, ${answer.years[0]} to ${answer.years.at(-1)}.`);
  if (answer.missing.length)
    parts.push(`Not in the store${$("from").value || $("to").value ? " in these years" : ""}: ${answer.missing.join(", ")}.` +
      ($("case_fold").checked ? "" : " Capitals count; perhaps ignore case."));
  return parts.join(" ");
}

function show(answer, query) {
  const found = answer.ngrams.length > 0;
  $("years-answer").hidden = !found;
  $("years-empty").hidden = true;
  $("years-status").textContent = summary(answer);
  if (!found) {
    clearChart();
    return;
  }
  setDownloads(query);
  drawChart(answer, query);
  fillTable(answer);
}

export async function askYears() {
  running?.abort();
  const asked = running = new AbortController();
  const query = parametersOf($("years-form"));
  showError($("years-error"), "");
  $("years-status").textContent = "Looking …";
  $("years-view").setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`/api/series?${query}`, { signal: asked.signal });
    if (response.ok) show(await response.json(), query);
    else throw new Error(await problemOf(response));
  } catch (error) {
    if (asked.signal.aborted) return;
    $("years-status").textContent = "";
    showError($("years-error"), error instanceof TypeError ? unreachable : error.message);
  }
  if (asked === running) $("years-view").removeAttribute("aria-busy");
}

export function clearYears() {
  running?.abort();
  clearChart();
  $("years-answer").hidden = true;
  $("years-empty").hidden = false;
  $("years-status").textContent = "";
  showError($("years-error"), "");
}

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("years-status").textContent = "The link was copied.";
  } catch {
    $("years-status").textContent = `The link: ${location.href}`;
  }
});
