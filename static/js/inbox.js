/* The inbox: one pane at a time on a phone, keys, and rows that are asked for again when something happens. */
const inbox = document.getElementById("inbox");
const htmx = window.htmx;
const byId = (id) => document.getElementById(id);
const query = () => inbox.dataset.query;
const opened = () => byId("thread")?.dataset.conversation;

/* Panes */
const show = (pane) => { inbox.dataset.pane = pane; };

const mark = () => {
  const pk = opened();
  inbox.querySelectorAll(".r-conv[aria-current]").forEach((row) => row.removeAttribute("aria-current"));
  byId(`c-${pk}`)?.querySelector(".r-conv").setAttribute("aria-current", "true");
};

const toEnd = () => {
  const flow = byId("flow");
  if (flow) flow.scrollTop = flow.scrollHeight;
};

inbox.addEventListener("click", (event) => {
  const control = event.target.closest("[data-show]");
  if (control) {
    show(control.dataset.show);
    if (control.dataset.show === "list") { byId(`c-${opened()}`)?.querySelector(".r-conv").focus(); }
    if (control.dataset.show === "about") byId("about").focus();
  }
  const views = event.target.closest("[data-show-views]");
  if (views) {
    const on = inbox.classList.toggle("shows-views");
    views.setAttribute("aria-expanded", String(on));
    if (on) byId("views").querySelector("a").focus();
  } else if (!event.target.closest(".r-views")) inbox.classList.remove("shows-views");
  const toggle = event.target.closest("[data-toggle]");
  if (toggle) {
    const part = byId(toggle.dataset.toggle);
    part.hidden = !part.hidden;
    toggle.setAttribute("aria-expanded", String(!part.hidden));
    if (!part.hidden) part.querySelector("input[type=search]").focus();
  }
  if (event.target.closest("[data-pick]")) pick();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id === "thread" && event.target.matches?.(".r-conv")) byId("thread").setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterRequest", () => byId("thread")?.removeAttribute("aria-busy"));
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "thread" && event.target.id !== "thread") return;
  mark();
  if (opened()) {
    document.title = document.title.replace(/^.*?( · )/, `${byId("thread").dataset.title}$1`);
    show("thread");
    toEnd();
  }
});
toEnd();

/* Choosing several */
const picked = () => [...inbox.querySelectorAll(".r-pick input:checked")];
const pick = () => {
  const list = byId("list");
  const on = list.classList.toggle("is-picking");
  byId("bulk").hidden = !on;
  if (!on) picked().forEach((box) => { box.checked = false; });
  countPicked();
};
const countPicked = () => {
  const bar = byId("bulk");
  if (!bar) return;
  bar.querySelector("[data-picked]").textContent = picked().length;
  bar.querySelectorAll('button[type="submit"]').forEach((button) => { button.disabled = !picked().length; });
};
inbox.addEventListener("change", (event) => { if (event.target.closest(".r-pick")) countPicked(); });

/* Keys */
const rows = () => [...inbox.querySelectorAll(".r-conv")];
const step = (by) => {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row === document.activeElement || (row.hasAttribute("aria-current") && !all.includes(document.activeElement)));
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};
const write = (tab) => {
  const button = document.querySelector(`#compose [data-tab="${tab}"]`);
  if (!button) return;
  show("thread");
  button.click();
  byId("answer").focus();
};
const act = {
  j: () => step(1),
  k: () => step(-1),
  r: () => write("reply"),
  n: () => write("note"),
  e: () => document.querySelector('#thread-head [data-key="e"]')?.click(),
  a: () => opened() && htmx.ajax("POST", `${inbox.dataset.base}${opened()}/assign/`, { target: "#thread-head", swap: "outerHTML", values: { to: inbox.dataset.me } }),
  u: () => opened() && htmx.ajax("POST", `${inbox.dataset.base}${opened()}/unread/`, { target: "#thread", swap: "outerHTML" }),
  "/": () => { const find = byId("list-search"); find.hidden = false; find.querySelector("input[type=search]").focus(); },
  "?": () => byId("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  if (event.key === "Escape") {
    if (inbox.classList.contains("shows-views")) inbox.classList.remove("shows-views");
    else if (inbox.dataset.pane === "about") show("thread");
    else if (typing && event.target.closest("#compose")) byId("flow").focus();
    return;
  }
  if (typing || document.querySelector("dialog[open]") || !(event.key in act)) return;
  event.preventDefault();
  act[event.key]();
});

/* What happened: each conversation's row, the counts and the open thread are asked for again, together. */
const waiting = new Set();
let timer = 0;
const soon = (pk) => {
  if (pk) waiting.add(String(pk));
  if (timer) return;
  timer = setTimeout(work, 250 + Math.random() * 350);
};

/* Each place is drawn by its newest answer. htmx.ajax would keep one request waiting for the whole page and drop the
   others, so a message that changes twice, or beside the views, would stay as it was. */
const turns = new Map();
const ask = async (url, target) => {
  const turn = (turns.get(target) ?? 0) + 1;
  turns.set(target, turn);
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  const text = answer.ok ? await answer.text() : "";
  const old = document.querySelector(target);
  if (answer.ok && old && turns.get(target) === turn) htmx.swap(old, text, { swapStyle: "outerHTML" });
};

/* A row that was not there goes where its time belongs; one beyond the loaded page comes with that page. */
const putInOrder = (list, row) => {
  const at = (one) => Date.parse(one.querySelector("time")?.dateTime ?? "");
  const older = [...list.querySelectorAll("li[data-conversation]")].find((other) => at(other) < at(row));
  if (!older && list.querySelector(".r-more")) return;
  list.querySelector("[data-empty]")?.remove();
  row.classList.add("is-new");
  if (older) older.before(row); else list.append(row);
};

const refreshRow = async (pk) => {
  const old = byId(`c-${pk}`);
  const answer = await fetch(`${inbox.dataset.base}${pk}/row/?${query()}`, { headers: { "HX-Request": "true" } });
  if (!answer.ok) { if (answer.status === 404) old?.remove(); return; }
  const box = document.createElement("template");
  box.innerHTML = (await answer.text()).trim();
  const row = box.content.firstElementChild;
  const list = byId("rows");
  if (!row) { old?.remove(); return; }
  const had = old?.contains(document.activeElement);
  if (old) old.replaceWith(row);
  else if (inbox.dataset.sort === "-last") putInOrder(list, row);
  if (!row.isConnected) return;
  htmx.process(row);
  if (had) row.querySelector(".r-conv").focus();
  mark();
};

const refreshThread = async () => {
  const pane = byId("thread");
  const pk = opened();
  if (!pk) return;
  const flow = byId("flow");
  const atEnd = flow.scrollHeight - flow.scrollTop - flow.clientHeight < 80;
  const answer = await fetch(`${pane.dataset.since}?after=${flow.dataset.reach}&day=${flow.dataset.day}`, { headers: { "HX-Request": "true" } });
  if (!answer.ok || opened() !== pk) return;
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const reach = box.content.querySelector(".r-flow-reach");
  flow.dataset.reach = reach.dataset.reach;
  flow.dataset.day = reach.dataset.day;
  reach.remove();
  const fresh = [...box.content.children].filter((part) => !part.id || !byId(part.id));
  fresh.forEach((part) => { part.classList.add("is-new"); flow.append(part); htmx.process(part); });
  if (fresh.length && atEnd) toEnd();
};

const work = () => {
  timer = 0;
  const all = [...waiting];
  waiting.clear();
  all.slice(0, 20).forEach(refreshRow);
  ask(`${inbox.dataset.views}?${query()}`, "#views");
  if (opened() && all.includes(opened())) {
    refreshThread();
    if (!document.querySelector("#thread-head [aria-expanded=true]")) ask(`${byId("thread").dataset.head}?${query()}`, "#thread-head");
  }
};

const refreshMessage = (pk) => { if (byId(`i-${pk}`)) ask(`${inbox.dataset.base}messages/${pk}/`, `#i-${pk}`); };

document.addEventListener("rapport:live", ({ detail }) => {
  const { type, ids } = detail;
  if (!ids?.conversation) return;
  if (ids.interaction && (type === "delivery.changed" || type.startsWith("interaction."))) refreshMessage(ids.interaction);
  if (String(ids.conversation) === opened() && ["reply", "note"].includes(ids.what)) htmx.trigger("#here", "rapport:here");
  soon(ids.conversation);
});
document.addEventListener("rapport:changed", ({ detail }) => soon(detail.conversation));
document.addEventListener("rapport:read", ({ detail }) => soon(detail.conversation));
document.addEventListener("rapport:poll", () => {
  const list = byId("rows");
  if (list.scrollTop < 40 && !picked().length && !list.contains(document.activeElement)) {
    ask(`${inbox.dataset.rows}?${query()}`, "#rows");
  }
  soon(opened());
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && opened()) htmx.trigger("#here", "rapport:here"); });

/* A mail as it was sent: its frame is loaded when it is opened, its remote pictures when asked for. */
document.addEventListener("toggle", (event) => {
  const mail = event.target.closest?.("[data-mail]");
  if (mail?.open) { const frame = mail.querySelector("iframe"); frame.src ||= mail.dataset.mail; }
}, true);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mail-images]");
  if (!button) return;
  const mail = button.closest("[data-mail]");
  mail.querySelector("iframe").src = `${mail.dataset.mail}?images=1`;
  button.disabled = true;
});
