// find.js - looks for n-grams by a regular expression: progress and first hits come while the server
// works; closing the request stops its work.
import { $, make, number, parametersOf, plural, problemOf, quoteWord, showError, unreachable } from "./common.js";

let running = null;

// ---- Server-sent events ------------------------------------------------------------------------

// Calls on(name, data) for every event of the answer.
async function readEvents(response, on) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = text.slice(0, end).split("\n").map((line) => line.split(/: ?(.*)/s));
      const event = fields.find(([name]) => name === "event")?.[1] ?? "message";
      const data = fields.filter(([name]) => name === "data").map(([, part]) => part).join("\n");
      on(event, JSON.parse(data));
    }
  }
}

// ---- What is shown -------------------------------------------------------------------------------

function showProgress({ done, total }) {
  const share = total ? done / total : 0;
  $("progress").value = share;
  $("percent").textContent = `${Math.floor(share * 100)} %`;
}

function showHits({ hits }) {
  if (!hits.length) return;
  const head = make("tr", {}, make("th", { scope: "col" }, "N-gram"),
    make("th", { scope: "col" }, "Occurrences"), make("th", { scope: "col" }, "Volumes"));
  const years = new URLSearchParams({ smooth: "3", relative: "1" });
  const link = (ngrams) => `/?${new URLSearchParams([["words", ngrams.map(quoteWord).join(", ")], ...years])}`;
  const rows = hits.map((hit) =>
    make("tr", {}, make("th", { scope: "row" }, make("a", { href: link([hit.ngram]) }, hit.ngram)),
      make("td", {}, number(hit.match_count)), make("td", {}, number(hit.volume_count))));
  $("hits").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  $("draw-first").href = link(hits.slice(0, 5).map((hit) => hit.ngram));
  $("find-answer").hidden = false;
}

function showEnd({ found, searched, hits }) {
  const more = found > hits.length ? `; the ${number(hits.length)} most frequent are shown` : "";
  $("find-status").textContent = `${plural(found, "n-gram")} found among ${number(searched)}${more}.`;
}

function setRunning(on) {
  $("running").hidden = $("cancel").hidden = !on;
  $("search").hidden = on;
  if (on) showProgress({ done: 0, total: 1 });
}

// ---- A search ------------------------------------------------------------------------------------

function take(event, data) {
  if (event === "progress") showProgress(data);
  if (event === "hits" || event === "done") showHits(data);
  if (event === "done") showEnd(data);
  if (event === "failed") throw new Error(data.detail);
  return event === "done";
}

async function search(query, signal) {
  const response = await fetch(`/api/search/events?${query}`, { signal });
  if (!response.ok) throw new Error(await problemOf(response));
  let ended = false;
  await readEvents(response, (event, data) => { ended = take(event, data); });
  if (!ended) throw new Error("The server ended before the search did; try again.");
}

export async function askFind() {
  running?.abort();
  const asked = running = new AbortController();
  const query = parametersOf($("find-form"));
  query.delete("view");
  clearShown();
  $("find-empty").hidden = true;
  $("find-status").textContent = "Searching …";
  setRunning(true);
  if (document.activeElement === $("search") || document.activeElement === document.body) $("cancel").focus();
  try {
    await search(query, asked.signal);
  } catch (error) {
    if (asked !== running) return;
    if (asked.signal.aborted) {
      $("find-status").textContent = "Cancelled.";
    } else {
      $("find-status").textContent = "";
      showError($("find-error"), error instanceof TypeError ? unreachable : error.message);
    }
  }
  if (asked === running) finish();
}

function finish() {
  const focused = document.activeElement === $("cancel");
  setRunning(false);
  if (focused) $("search").focus();
}

function clearShown() {
  showError($("find-error"), "");
  $("find-answer").hidden = true;
  $("hits").replaceChildren();
}

export function clearFind() {
  const asked = running;
  running = null;
  asked?.abort();
  clearShown();
  setRunning(false);
  $("find-empty").hidden = false;
  $("find-status").textContent = "";
}

$("cancel").addEventListener("click", () => running?.abort());
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("cancel").hidden) running?.abort();
});
