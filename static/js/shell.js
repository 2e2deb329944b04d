/* What every page has: the token on every htmx request, and a word when one of them fails. */
const token = document.querySelector('meta[name="csrf-token"]');
const words = document.getElementById("shell-words");

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = token.content;
});

const say = (text) => {
  document.dispatchEvent(new CustomEvent("rapport:toast", { detail: { text, level: "error" } }));
};

document.addEventListener("htmx:sendError", () => say(words.dataset.unreachable));
document.addEventListener("htmx:timeout", () => say(words.dataset.unreachable));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 422) return;
  say(status === 403 ? words.dataset.refused : words.dataset.failed);
});

/* A submitted form cannot be sent twice by an impatient second click. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.matches("[hx-post], [data-again], [method='dialog']")) return;
  setTimeout(() => {
    form.querySelectorAll('button[type="submit"]').forEach((button) => { button.disabled = true; });
  });
});
addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll('button[type="submit"]').forEach((button) => { button.disabled = false; });
});

/* A control that only filters a list sends its form by itself. */
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-filter]");
  if (form && event.target.matches("select, input[type='checkbox'], input[type='radio'], input[type='date']")) form.requestSubmit();
});

/* Copies the text of the named element; the label says that it happened. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    source.select?.();
    return;
  }
  const label = button.querySelector("[data-label]") ?? button;
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  setTimeout(() => { label.textContent = before; }, 2000);
});

/* Choosing all, and counting what is chosen, in any table inside [data-choose]. */
document.addEventListener("change", (event) => {
  const table = event.target.closest("[data-choose]");
  if (!table || event.target.type !== "checkbox") return;
  const boxes = [...table.querySelectorAll("input[data-row]")];
  if (event.target.matches("[data-all]")) boxes.forEach((box) => { box.checked = event.target.checked; });
  const chosen = boxes.filter((box) => box.checked).length;
  table.querySelectorAll("[data-chosen]").forEach((part) => { part.textContent = chosen; });
  table.querySelectorAll("[data-when-chosen]").forEach((part) => { part.hidden = chosen === 0; });
  boxes.forEach((box) => box.closest("tr")?.classList.toggle("is-chosen", box.checked));
});

/* A button inside a closed dialog's opener: data-dialog names the <dialog>. */
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    document.getElementById(opener.dataset.dialog)?.showModal();
    return;
  }
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) closer.closest("dialog").close();
  if (event.target.matches("dialog.r-dialog")) event.target.close();
});

/* A destructive button opens once the asked word is typed. */
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-confirm-word]");
  if (!field) return;
  const button = field.form.querySelector('button[type="submit"]');
  button.disabled = field.value.trim().toLowerCase() !== field.dataset.confirmWord.toLowerCase();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

/* Tabs that scroll sideways begin where the reader is. */
document.querySelectorAll(".r-side [aria-current], .r-tabs [aria-current]").forEach((tab) => {
  const strip = tab.parentElement;
  strip.scrollLeft = tab.offsetLeft - strip.offsetLeft - (strip.clientWidth - tab.clientWidth) / 2;
});
