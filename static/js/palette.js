/* The palette: Ctrl-K opens it, arrows walk, Enter goes. The server finds; this only moves the choice.
   What was opened lately is kept here as addresses alone; the server names them, and leaves out what is gone. */
const RECENT = "rapport.recent";
const MOST = 12;
const dialog = document.getElementById("palette");
const field = dialog.querySelector("input");
const found = dialog.querySelector('[role="listbox"]');
const answered = dialog.querySelector("[data-answered]");
let opener = null;

const options = () => [...found.querySelectorAll('[role="option"]:not([aria-disabled])')];
const chosen = () => options().find((option) => option.getAttribute("aria-selected") === "true");

const recent = () => {
  try { return JSON.parse(localStorage.getItem(RECENT)) || []; } catch { return []; }
};
const remember = (address) => {
  const path = new URL(address, location.href).pathname;
  const kept = [path, ...recent().filter((other) => other !== path)].slice(0, MOST);
  try { localStorage.setItem(RECENT, JSON.stringify(kept)); } catch { /* private mode keeps nothing */ }
};

const choose = (option) => {
  options().forEach((other) => other.setAttribute("aria-selected", String(other === option)));
  if (option) {
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else {
    field.removeAttribute("aria-activedescendant");
  }
};

const open = () => {
  if (dialog.open) return;
  opener = document.activeElement;
  dialog.showModal();
  field.select();
  window.htmx.trigger(field, "rapport:palette");
};

const move = (step) => {
  const all = options();
  if (!all.length) return;
  const at = all.indexOf(chosen());
  choose(all[(at + step + all.length) % all.length]);
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest('[data-open="palette"]')) open();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("close", () => opener?.focus());
field.addEventListener("keydown", (event) => {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps) {
    event.preventDefault();
    move(steps[event.key]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    chosen()?.click();
  }
});
field.addEventListener("htmx:configRequest", (event) => {
  if (!field.value.trim()) event.detail.parameters.recent = recent();
});
found.addEventListener("click", (event) => {
  const option = event.target.closest('a[role="option"]');
  if (option) remember(option.href);
});
found.addEventListener("mousemove", (event) => {
  const option = event.target.closest('[role="option"]');
  if (option && option !== chosen()) choose(option);
});
found.addEventListener("htmx:afterSwap", () => {
  options().forEach((option, at) => { option.id ||= `found-${at}`; option.tabIndex = -1; });
  choose(options()[0]);
  const groups = found.querySelector("[data-said]");
  answered.textContent = groups ? groups.dataset.said : "";
});
