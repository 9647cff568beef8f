// theme.js - light or dark: as the system has it, until somebody chooses. Runs before anything is
// drawn, so that nothing flashes.
"use strict";

const theme = {
  names: ["system", "light", "dark"],
  now() {
    try {
      const kept = localStorage.getItem("theme");
      return theme.names.includes(kept) ? kept : "system";
    } catch {
      return "system"; // storage may be forbidden
    }
  },
  apply() {
    if (theme.now() === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.now();
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme.now()}`;
  },
  next() {
    const at = theme.names.indexOf(theme.now());
    try {
      localStorage.setItem("theme", theme.names[(at + 1) % theme.names.length]);
    } catch {
      return;
    }
    theme.apply();
    dispatchEvent(new Event("themechange"));
  },
};

theme.apply();
addEventListener("DOMContentLoaded", () => {
  theme.apply();
  document.getElementById("theme").addEventListener("click", theme.next);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  dispatchEvent(new Event("themechange")));
