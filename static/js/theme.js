/* Light or dark, before the first paint: what the account says, else what this browser kept, else the system. */
(function () {
  "use strict";
  const root = document.documentElement;
  const KEY = "rapport-theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const kept = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const keep = (theme) => {
    try { localStorage.setItem(KEY, theme); } catch { /* storage may be off; the choice lasts for this page */ }
  };
  const wanted = () => {
    const account = root.dataset.theme;
    if (account === "light" || account === "dark") return account;
    if (account === undefined && kept()) return kept();
    return dark.matches ? "dark" : "light";
  };
  const set = (theme) => {
    root.dataset.bsTheme = theme;
    document.querySelectorAll("[data-theme-switch] .ti").forEach((icon) => {
      icon.className = `ti ti-${theme === "dark" ? "sun" : "moon"}`;
    });
    document.dispatchEvent(new CustomEvent("rapport:theme", { detail: theme }));
  };

  set(wanted());
  document.addEventListener("DOMContentLoaded", () => set(root.dataset.bsTheme));
  dark.addEventListener("change", () => set(wanted()));
  document.addEventListener("click", (event) => {
    const control = event.target.closest("[data-theme-switch]");
    if (!control) return;
    const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    keep(theme);
    set(theme);
    if (!control.dataset.themeUrl) return;
    root.dataset.theme = theme;
    const token = document.querySelector('meta[name="csrf-token"]').content;
    fetch(control.dataset.themeUrl, {
      method: "POST", body: new URLSearchParams({ theme }), headers: { "X-CSRFToken": token },
    }).catch(() => { /* this browser keeps it; the account learns it the next time */ });
  });
})();
