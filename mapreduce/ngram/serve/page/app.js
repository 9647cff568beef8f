// app.js - the page is what its address says: every question has a link, and the browser's back
// button works.
import { $, fillForm, number, parametersOf } from "./common.js";
import { askYears, clearYears } from "./years.js";
import { askFind, clearFind } from "./find.js";

const unasked = new URLSearchParams({ smooth: "3", relative: "1" }); // before anybody has chosen

function show(view) {
  for (const name of ["years", "find"]) {
    $(`${name}-view`).hidden = name !== view;
    if (name === view) $(`tab-${name}`).setAttribute("aria-current", "page");
    else $(`tab-${name}`).removeAttribute("aria-current");
  }
}

function goYears(query) {
  show("years");
  clearFind();
  fillForm($("years-form"), query.has("words") ? query : unasked);
  document.title = query.has("words") ? `${query.get("words")} – Ngram Viewer` : "Ngram Viewer";
  if (query.has("words")) askYears();
  else clearYears();
}

function goFind(query) {
  show("find");
  clearYears();
  fillForm($("find-form"), query);
  document.title = query.has("match") ? `/${query.get("match")}/ – Ngram Viewer` : "Find – Ngram Viewer";
  if (query.has("match")) askFind();
  else clearFind();
}

function go() {
  const query = new URLSearchParams(location.search);
  if (query.get("view") === "find") goFind(query);
  else goYears(query);
}

function visit(address) {
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  go();
}

for (const id of ["years-form", "find-form"])
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    visit(`/?${parametersOf(event.target)}`);
  });

// What is chosen of a question that was asked is asked again.
for (const id of ["smooth", "relative", "case_fold", "from", "to"])
  $(id).addEventListener("change", () => {
    if ($("words").value.trim() && $("years-form").checkValidity()) $("years-form").requestSubmit();
  });

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || link.pathname !== "/" || link.hash) return;
  event.preventDefault();
  visit(link.pathname + link.search);
  scrollTo(0, 0);
});

async function tellAbout() {
  const about = await (await fetch("/api/store")).json();
  const origin = [about.language, about.release].filter(Boolean).join(", ");
  $("about").textContent = `${origin ? `${origin}: ` : ""}${number(about.ngrams)} n-grams, ${about.first_year} to ${about.last_year}`;
  $("relative").options[0].textContent = about.relative_unit;
  for (const id of ["from", "find-from"]) $(id).placeholder = about.first_year;
  for (const id of ["to", "find-to"]) $(id).placeholder = about.last_year;
}

addEventListener("popstate", go);
go();
tellAbout().catch(() => {}); // the questions themselves will say that nobody answers
if (!$("words").value && !$("years-view").hidden && matchMedia("(hover: hover)").matches) $("words").focus();
