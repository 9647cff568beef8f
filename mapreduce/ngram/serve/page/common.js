// common.js - what the parts of the page share.

export const $ = (id) => document.getElementById(id);

// An element with text or children.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat("en");
const real = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

export const number = (x) => x === null || x === undefined ? "–" : Number.isInteger(x) ? whole.format(x) : real.format(x);
export const shortNumber = (x) => x !== 0 && Math.abs(x) < 0.01 ? x.toExponential(1) : Math.abs(x) < 1000 ? real.format(x) : short.format(x);
export const bytes = (x) => {
  const power = x < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(x) / 3));
  return `${new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(x / 1000 ** power)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
};
export const plural = (n, one, many = one + "s") => `${whole.format(n)} ${n === 1 ? one : many}`;

// A hit or a word as the field of words wants it, where a comma divides and a star is any word.
export const quoteWord = (ngram) => ngram.replaceAll(",", "\\,").split(" ").map((w) => (w === "*" ? "\\*" : w)).join(" ");

// What went wrong, in the server's words if it has any.
export async function problemOf(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered ${response.status} ${response.statusText}.`;
  }
}

export const unreachable = "The server cannot be reached. Does it still run?";

export function showError(element, text) {
  element.hidden = !text;
  element.textContent = text || "";
}

// The parameters of a form that say something, in the order of its fields.
export function parametersOf(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const trimmed = value.trim();
    if (trimmed !== "" && !(name === "smooth" && trimmed === "0") && !(name === "relative" && trimmed === "0"))
      query.set(name, trimmed);
  }
  return query;
}

export function fillForm(form, query) {
  for (const field of form.elements) {
    if (!field.name || field.type === "hidden") continue;
    const value = query.get(field.name);
    if (field.type === "checkbox") field.checked = value === "1";
    else if (field.tagName === "SELECT") chooseOption(field, value);
    else field.value = value ?? "";
  }
}

// A value that the list does not have is added to it, so that a link keeps it.
function chooseOption(select, value) {
  const wanted = value ?? (select.name === "limit" ? "100" : "0");
  if (![...select.options].some((o) => o.value === wanted)) select.add(new Option(wanted, wanted));
  select.value = wanted;
}
