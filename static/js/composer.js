/* Writing: reply and note, length, drafts, canned replies by "/", colleagues by "@", files, and one message a click. */
const htmx = window.htmx;
const DRAFT_MS = 800;
const form = () => document.getElementById("compose");
const area = () => document.getElementById("answer");
let draftTimer = 0;
let sending = false;

const part = (selector) => form()?.querySelector(selector);
const isNote = () => form().dataset.writing === "note";

/* Some networks count in bytes, in weights or with links at a fixed length: there the server counts. */
const COUNT_MS = 250;
let countTimer = 0;
const showCount = (n, note = "") => {
  const length = part("[data-length]");
  length.textContent = n.toLocaleString();
  part("[data-length-note]").textContent = note && ` · ${note}`;
  length.parentElement.classList.toggle("r-neg", n > Number(form().dataset.max));
};
const count = () => {
  if (!part("[data-length]")) return;
  clearTimeout(countTimer);
  if (!form().dataset.lengthUrl || !area().value) return showCount([...area().value].length);
  countTimer = setTimeout(countThere, COUNT_MS);
};
const countThere = async () => {
  const box = form();
  const text = area().value;
  const body = new FormData();
  body.set("text", text);
  try {
    const answer = await fetch(box.dataset.lengthUrl, { method: "POST", body, headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content } });
    if (answer.ok && form() === box && area().value === text) {
      const told = await answer.json();
      showCount(told.length, told.note);
    }
  } catch { /* the server counts again when it is sent */ }
};

const dress = () => {
  const note = isNote();
  form().classList.toggle("is-note", note);
  form().querySelectorAll("[data-reply-only]").forEach((one) => { one.hidden = note; });
  form().querySelectorAll("[data-note-only]").forEach((one) => { one.hidden = !note; });
  form().querySelectorAll('[role="tab"]').forEach((tab) => {
    const on = tab.dataset.tab === form().dataset.writing;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    if (on) document.getElementById("composer").setAttribute("aria-labelledby", tab.id);
  });
  const send = part("[data-send]");
  send.textContent = note ? send.dataset.noteWord : send.dataset.replyWord;
  send.disabled = !note && Boolean(form().dataset.problem);
  area().disabled = send.disabled;
  area().placeholder = note ? area().dataset.noteHint : area().dataset.replyHint;
  const label = part('label[for="answer"]');
  label.textContent = note ? label.dataset.labelNote : label.dataset.labelReply;
  count();
  checkFiles();
};

const choose = (tab) => {
  if (form().dataset.writing === tab) return;
  keepDraft(true);
  const other = part("[data-other]");
  [area().value, other.value] = [other.value, area().value];
  form().dataset.writing = tab;
  closeSuggestions();
  dress();
};

/* Drafts */
const keepDraft = (now = false) => {
  clearTimeout(draftTimer);
  const box = form();
  const body = new FormData();
  body.set("writing", box.dataset.writing);
  body.set("text", area().value);
  const go = async () => {
    if (sending || !box.isConnected) return;
    const token = document.querySelector('meta[name="csrf-token"]').content;
    try {
      const answer = await fetch(box.dataset.draftUrl, { method: "POST", body, headers: { "X-CSRFToken": token }, keepalive: true });
      const state = part("[data-draft-state]");
      if (answer.ok && state && area().value) state.textContent = state.dataset.kept;
    } catch { /* the text is still on the page; the next key tries again */ }
  };
  if (now) go(); else draftTimer = setTimeout(go, DRAFT_MS);
};

/* Presence: what one writes is said with the next sign of life */
const sayDoing = () => {
  const here = document.getElementById("here");
  const doing = area().value ? form().dataset.writing : "reads";
  const values = JSON.stringify({ doing });
  if (here.getAttribute("hx-vals") === values) return;
  here.setAttribute("hx-vals", values);
  htmx.trigger(here, "rapport:here");
};

/* Suggestions */
const box = () => document.getElementById("suggest");
const options = () => [...box().querySelectorAll('[role="option"]:not([aria-disabled])')];
let from = -1;
let staff = null;

const closeSuggestions = () => {
  from = -1;
  if (!box()) return;
  box().hidden = true;
  box().replaceChildren();
  area().removeAttribute("aria-activedescendant");
};
const pointAt = (option) => {
  options().forEach((other) => other.setAttribute("aria-selected", String(other === option)));
  if (option) { area().setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
};
const offer = (html, start) => {
  from = start;
  box().innerHTML = html;
  options().forEach((option, at) => { option.id = `suggest-${at}`; });
  box().hidden = !box().children.length;
  pointAt(options()[0]);
};
const take = (option) => {
  const field = area();
  field.setRangeText(option.dataset.text, from, field.selectionEnd, "end");
  closeSuggestions();
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

const suggestCanned = async (word, start) => {
  const answer = await fetch(`${form().dataset.cannedUrl}?q=${encodeURIComponent(word)}`, { headers: { "HX-Request": "true" } });
  if (answer.ok) offer(await answer.text(), start);
};
const suggestStaff = async (word, start) => {
  staff ??= await loadStaff();
  const wanted = word.toLowerCase();
  const found = staff.filter((name) => name.toLowerCase().startsWith(wanted) || name.toLowerCase().includes(` ${wanted}`)).slice(0, 6);
  const made = found.map((name) => {
    const option = document.createElement("div");
    option.setAttribute("role", "option");
    option.dataset.text = `@${name} `;
    option.textContent = name;
    return option.outerHTML;
  });
  if (made.length) offer(made.join(""), start); else closeSuggestions();
};
const loadStaff = async () => {
  const answer = await fetch(form().dataset.staffUrl, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return [];
  const menu = document.createElement("template");
  menu.innerHTML = await answer.text();
  return [...menu.content.querySelectorAll("[title]")].map((one) => one.title);
};
const suggest = () => {
  const before = area().value.slice(0, area().selectionStart);
  const slash = !isNote() && before.match(/(?:^|\s)\/([\w-]*)$/);
  const at = isNote() && before.match(/(?:^|\s)@([\p{L}\p{N} ]{0,30})$/u);
  if (slash) suggestCanned(slash[1], before.length - slash[1].length - 1);
  else if (at) suggestStaff(at[1], before.length - at[1].length - 1);
  else closeSuggestions();
};

/* Files */
const listFiles = () => {
  const list = part("[data-files-list]");
  const files = [...part("[data-files]").files];
  list.hidden = !files.length;
  list.replaceChildren(...files.map((file, at) => {
    const item = document.createElement("li");
    item.className = "r-pill";
    item.append(file.name);
    const off = document.createElement("button");
    off.type = "button";
    off.className = "r-x";
    off.dataset.drop = at;
    off.setAttribute("aria-label", `× ${file.name}`);
    off.textContent = "×";
    item.append(off);
    return item;
  }));
  checkFiles();
};
const takesKind = (file, kinds) => !kinds.length || kinds.some((kind) => (kind.endsWith("/*") ? file.type.startsWith(kind.slice(0, -1)) : file.type === kind));
const problemOfFiles = (files) => {
  const limits = form().dataset;
  if (isNote() || !files.length) return "";
  if (files.length > Number(limits.mostFiles)) return limits.filesMany;
  const kinds = limits.fileTypes.split(",").filter(Boolean);
  const strange = files.find((file) => !takesKind(file, kinds));
  if (strange) return `${limits.filesKind} ${strange.name}`;
  const large = files.find((file) => file.size > Number(limits.fileBytes));
  return large ? `${limits.filesLarge} ${large.name}` : "";
};
const checkFiles = () => {
  const told = part("[data-files-problem]");
  if (!told) return;
  told.textContent = problemOfFiles([...part("[data-files]").files]);
  told.hidden = !told.textContent;
  part("[data-send]").disabled = Boolean(told.textContent) || (!isNote() && Boolean(form().dataset.problem));
};
const dropFile = (at) => {
  const input = part("[data-files]");
  const left = new DataTransfer();
  [...input.files].forEach((file, index) => { if (index !== at) left.items.add(file); });
  input.files = left.files;
  listFiles();
};

/* Sending */
const send = async (submitter) => {
  if (sending) return;
  sending = true;
  clearTimeout(draftTimer);
  const box = form();
  const body = new FormData(box);
  if (submitter?.name) body.set(submitter.name, submitter.value);
  const button = part("[data-send]");
  button.disabled = true;
  try {
    const answer = await fetch(isNote() ? box.dataset.noteUrl : box.dataset.replyUrl, {
      method: "POST", body, headers: { "HX-Request": "true", "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
    });
    if (!answer.ok && answer.status !== 422) throw new Error(String(answer.status));
    if (box.isConnected) swap(box, await answer.text());
    if (answer.ok) document.dispatchEvent(new CustomEvent("rapport:changed", { detail: { conversation: box.dataset.conversation } }));
  } catch {
    document.dispatchEvent(new CustomEvent("rapport:toast", { detail: { text: document.getElementById("shell-words").dataset.unreachable, level: "error" } }));
    button.disabled = false;
  } finally {
    sending = false;
  }
};
const swap = (old, html) => {
  const fresh = document.createElement("template");
  fresh.innerHTML = html.trim();
  const made = fresh.content.querySelector("#compose");
  const focused = old.contains(document.activeElement);
  old.replaceWith(made);
  htmx.process(made);
  dress();
  if (focused) area().focus();
};

/* Everything is heard on the document, because the composer is replaced with each conversation. */
document.addEventListener("submit", (event) => {
  if (event.target.id !== "compose") return;
  event.preventDefault();
  send(event.submitter);
});
document.addEventListener("click", (event) => {
  if (!form()) return;
  const tab = event.target.closest("#compose [data-tab]");
  if (tab) choose(tab.dataset.tab);
  const option = event.target.closest("#suggest [role=option]:not([aria-disabled])");
  if (option) take(option);
  const drop = event.target.closest("[data-drop]");
  if (drop) dropFile(Number(drop.dataset.drop));
  if (event.target.closest("[data-canned]")) {
    area().focus();
    area().setRangeText(area().value && !/\s$/.test(area().value) ? " /" : "/", area().selectionStart, area().selectionEnd, "end");
    area().dispatchEvent(new Event("input", { bubbles: true }));
  } else if (!event.target.closest("#suggest") && from >= 0 && event.target !== area()) closeSuggestions();
});
document.addEventListener("input", (event) => {
  if (event.target.id === "answer") { count(); keepDraft(); sayDoing(); suggest(); }
});
document.addEventListener("change", (event) => { if (event.target.matches("[data-files]")) listFiles(); });
document.addEventListener("keydown", (event) => {
  if (event.target.matches?.("#compose [role=tab]") && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const other = [...form().querySelectorAll('[role="tab"]')].find((tab) => tab !== event.target);
    other?.click();
    other?.focus();
    return;
  }
  if (event.target.id !== "answer") return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); if (!part("[data-send]").disabled) form().requestSubmit(part("[data-send]")); return; }
  if (box().hidden) return;
  const all = options();
  const chosen = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); pointAt(all[(chosen + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]); }
  else if ((event.key === "Enter" || event.key === "Tab") && all[chosen]) { event.preventDefault(); take(all[chosen]); }
  else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); closeSuggestions(); }
}, true);
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "thread" && event.target.id !== "thread") return;
  staff = null;
  if (form()?.dataset.writing) dress();
});
addEventListener("pagehide", () => { if (form()?.dataset.writing && area().value) keepDraft(true); });
if (form()?.dataset.writing) dress();
