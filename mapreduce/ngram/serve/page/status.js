// status.js - how far a running job is: asks for it twice a second, until nobody answers.
import { $, bytes, make, number } from "./common.js";

const facts = [
  ["bytes", "Read", (x, s) => s.bytes_total ? `${bytes(x)} of ${bytes(s.bytes_total)}` : bytes(x)],
  ["bytes_per_second", "Speed", (x) => `${bytes(x)}/s`],
  ["seconds", "Time", (x) => time(x)],
  ["seconds_left", "Left", (x) => time(x)],
  ["rows", "Rows", (x) => number(x)],
  ["rows_skipped", "Rows skipped", (x) => number(x)],
  ["splits_done", "Pieces done", (x) => number(x)],
  ["splits_running", "Pieces at work", (x) => number(x)],
  ["splits_retried", "Pieces done again", (x) => number(x)],
  ["bytes_spilled", "Written for lack of memory", (x) => bytes(x)],
];

function time(seconds) {
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

let lastTold = "";

function tell(text) {
  if (text !== lastTold) $("status").textContent = lastTold = text;
}

function show(state) {
  const share = state.bytes_total ? Math.min(1, state.bytes / state.bytes_total) : undefined;
  $("phase").textContent = { reading: "Reading", merging: "Merging", writing: "Writing", ended: "Ended" }[state.phase] ?? state.phase;
  $("command").textContent = state.command;
  document.title = share === undefined ? "ngram" : `${Math.floor(share * 100)} % – ngram`;
  if (share === undefined) $("progress").removeAttribute("value");
  else $("progress").value = share;
  $("percent").textContent = share === undefined ? "" : `${Math.floor(share * 100)} %`;
  tell(share === undefined ? "A pipe is among the inputs: how much there is in all is not known." : `${Math.floor(share * 10) * 10} % read`);
  $("facts").replaceChildren(...facts.filter(([name]) => state[name] !== undefined).map(([name, title, text]) =>
    make("div", {}, make("dt", {}, title), make("dd", {}, text(state[name], state)))));
}

async function look() {
  let state;
  try {
    state = await (await fetch("/status.json")).json();
  } catch {
    $("phase").textContent = "Over";
    document.title = "Over – ngram";
    $("running").hidden = true;
    tell("Nobody answers any more: the job is over, or was ended. Where it ran it says how that went.");
    return;
  }
  show(state);
  setTimeout(look, 500);
}

look();
