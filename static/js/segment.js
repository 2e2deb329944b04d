/* The segment builder: nested groups of conditions as form controls, kept as the rule's JSON in a hidden input.
   The server counts it shortly after the last change: first at once, then exactly, then who for instance. A new
   change ends the count under way, here and in the database. */
import { iconOf, makePicker } from "./segment-picker.js";

const { fields: described, rule: start, problems: told } = JSON.parse(document.getElementById("builder-data").textContent);
const words = document.getElementById("builder-words").dataset;
const form = document.getElementById("segment");
const box = document.getElementById("builder");
const csrf = document.querySelector('meta[name="csrf-token"]').content;
const part = (id) => document.getElementById(id);

const fields = new Map();
const events = new Map();
described.groups.forEach((group) => {
  (group.fields ?? []).forEach((field) => fields.set(field.name, field));
  (group.events ?? []).forEach((event) => events.set(event.name, event));
});

const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => {
    if (value === false || value === null || value === undefined) return;
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  });
  made.append(...children.filter(Boolean));
  return made;
};
const icon = (name) => el("i", { class: `ti ti-${name}`, "aria-hidden": "true" });
const iconButton = (name, label, key, act) => {
  const button = el("button", { type: "button", class: "r-ib sm", "aria-label": label, title: label, "data-key": key }, icon(name));
  button.addEventListener("click", act);
  return button;
};
const select = (label, options, value, key, change) => {
  const control = el("select", { class: "form-select form-select-sm", "aria-label": label, "data-key": key });
  options.forEach(([name, text]) => control.append(el("option", { value: String(name), selected: String(name) === String(value) }, text)));
  control.addEventListener("change", () => change(control.value));
  return control;
};
const input = (label, type, value, key, change, more = {}) => {
  const control = el("input", { class: "form-control form-control-sm", type, "aria-label": label, value: String(value ?? ""), "data-key": key, ...more });
  control.addEventListener("input", () => change(control.value));
  return control;
};
const pick = makePicker(el, icon, words, described.groups);

/* The rule as the builder holds it: {join, items} for a group, else a condition. "None of these" is not any. */
const read = (node) => {
  if (node.not) {
    const inner = read(node.not);
    return inner.join === "any" ? { join: "none", items: inner.items } : { join: "none", items: [inner] };
  }
  if (node.all) return { join: "all", items: node.all.map(read) };
  if (node.any) return { join: "any", items: node.any.map(read) };
  return { ...node };
};
const write = (node) => {
  if (!node.items) return node;
  const items = node.items.map(write);
  return node.join === "none" ? { not: { any: items } } : { [node.join]: items };
};
const pathOf = (group, path) => (group.join === "none" ? `${path}.not.any` : `${path}.${group.join}`);
let root = read(start);
if (!root.items || root.join === "none") root = { join: "all", items: [root] };

const numberOf = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));
const today = () => new Date().toISOString().slice(0, 10);
const emptyValue = (kind, field) => {
  if (kind === "none") return {};
  if (kind === "choice") return { value: field.choices?.[0]?.value ?? "" };
  if (kind === "choices" || kind === "texts") return { value: field.choices?.length ? [field.choices[0].value] : [] };
  if (kind === "number_range") return { value: [0, 10] };
  if (kind === "date_range") return { value: [today(), today()] };
  if (kind === "date") return { value: today() };
  if (kind === "days") return { value: 30 };
  if (kind === "number") return { value: 1 };
  if (kind === "consent") return { value: { purpose: field.dimensions?.find(({ name }) => name === "purpose")?.choices[0]?.value ?? "" } };
  return { value: "" };
};
const blank = (item) => {
  if (item.kind === "event") return { event: { what: item.name }, op: "at_least", count: 1, days: 90 };
  const operator = item.operators.find(({ input: kind }) => kind === "choices") ?? item.operators[0];
  return { field: item.name, op: operator.name, ...emptyValue(operator.input, item) };
};

/* Several values as chips: each is a button that takes itself out, and a list adds another. */
const chips = (label, choices, values, key, set) => {
  const made = [].concat(values ?? []).map((value) => {
    const text = choices.find((one) => String(one.value) === String(value))?.label ?? String(value);
    const chip = el("button", { type: "button", class: "r-pill accent r-take", "aria-label": `${words.takeValue}: ${text}`, "data-key": `${key}=${value}` }, text, icon("x"));
    chip.addEventListener("click", () => set([].concat(values).filter((one) => one !== value), key));
    return chip;
  });
  const left = choices.filter(({ value }) => ![].concat(values ?? []).some((one) => String(one) === String(value)));
  const add = left.length ? select(`${label}: ${words.addValue}`, [["", made.length ? "+" : label], ...left.map(({ value, label: text }) => [value, text])], "", key, (text) => {
    if (text) set([...[].concat(values ?? []), left.find(({ value }) => String(value) === text).value], key);
  }) : null;
  add?.classList.add("r-more-values");
  return [...made, add];
};

const valueControls = (node, field, operator, path) => {
  const key = `${path}:value`;
  const set = (value) => { node.value = value; changed(); };
  const redraw = (value, focus) => { node.value = value; draw(focus); changed(); };
  const choices = field.choices ?? [];
  switch (operator.input) {
    case "none": return [];
    case "choice": return [select(words.value, choices.map(({ value, label }) => [value, label]), node.value, key, (text) => set(choices.find(({ value }) => String(value) === text)?.value ?? text))];
    case "choices": return chips(words.value, choices, node.value, key, redraw);
    case "texts": return [input(words.value, "text", (node.value ?? []).join(", "), key, (text) => set(text.split(",").map((piece) => piece.trim()).filter(Boolean)))];
    case "number_range": case "date_range": {
      const type = operator.input === "date_range" ? "date" : "number";
      const at = (place, text) => { const value = [...node.value]; value[place] = type === "number" ? numberOf(text) : text; set(value); };
      return [input(words.value, type, node.value?.[0], `${key}0`, (text) => at(0, text), { step: "any" }), el("span", { class: "r-sm" }, words.and), input(words.value, type, node.value?.[1], `${key}1`, (text) => at(1, text), { step: "any" })];
    }
    case "date": return [input(words.value, "date", node.value, key, set)];
    case "days": return [input(words.value, "number", node.value, key, (text) => set(numberOf(text)), { min: "1", inputMode: "numeric" }), el("span", { class: "r-sm" }, words.days)];
    case "number": return [input(words.value, "number", node.value, key, (text) => set(numberOf(text)), { step: "any", inputMode: "decimal" }), field.unit ? el("span", { class: "r-sm r-muted" }, field.unit) : null];
    case "consent": return field.dimensions.map((dimension) => select(dimension.label, [...(dimension.required ? [] : [["", `${dimension.label}: ${words.anyone}`]]), ...(dimension.choices ?? []).map(({ value, label }) => [value, label])], node.value[dimension.name] ?? "", `${path}:${dimension.name}`, (text) => {
      const next = { ...node.value };
      if (text) next[dimension.name] = text; else delete next[dimension.name];
      set(next);
    }));
    default: {
      if (!field.suggestions?.length) return [input(words.value, "text", node.value, key, set, { maxLength: 200 })];
      const list = `offered-${key}`;
      return [input(words.value, "text", node.value, key, set, { maxLength: 200, list, autocomplete: "off" }), el("datalist", { id: list }, ...field.suggestions.map((value) => el("option", { value })))];
    }
  }
};
const eventControls = (node, path) => {
  const event = events.get(node.event.what);
  if (!event) return [];
  const narrow = (name) => (values, focus) => {
    const next = { ...node.event };
    if (values.length) next[name] = values.length === 1 ? values[0] : values; else delete next[name];
    node.event = next;
    draw(focus);
    changed();
  };
  return [
    ...event.dimensions.flatMap((dimension) => chips(dimension.label, dimension.choices ?? [], node.event[dimension.name] ?? [], `${path}:${dimension.name}`, narrow(dimension.name))),
    select(words.operator, event.operators.map(({ name, label }) => [name, label]), node.op, `${path}:op`, (value) => { node.op = value; changed(); }),
    input(words.times, "number", node.count, `${path}:count`, (text) => { node.count = numberOf(text); changed(); }, { min: "0", inputMode: "numeric" }), el("span", { class: "r-sm" }, words.times),
    select(words.when, [["", words.ever], ["days", words.window]], node.days === undefined ? "" : "days", `${path}:when`, (value) => { if (value) node.days = 90; else delete node.days; draw(`${path}:when`); changed(); }),
    ...(node.days === undefined ? [] : [input(words.days, "number", node.days, `${path}:days`, (text) => { node.days = numberOf(text); changed(); }, { min: "1", inputMode: "numeric" }), el("span", { class: "r-sm" }, words.days)]),
  ];
};

let leaf = 0;
const drawCondition = (node, group, path, base) => {
  const place = group.items.indexOf(node);
  const replace = (next, focus) => { group.items[place] = next; draw(focus); changed(); };
  const field = fields.get(node.field);
  const operator = field?.operators.find(({ name }) => name === node.op) ?? field?.operators[0];
  const name = node.event ? node.event.what : node.field;
  const label = node.event ? events.get(node.event.what)?.label : field?.label;
  const about = el("button", { type: "button", class: "r-pill r-about", "aria-haspopup": "dialog", "aria-label": `${words.field}: ${label ?? name}`, "data-key": `${path}:about` }, icon(iconOf(name)), label ?? name);
  about.addEventListener("click", () => pick(name, (item) => replace(blank(item), `${path}:about`)));
  const controls = node.event ? eventControls(node, path) : field ? [
    select(words.operator, field.operators.map((one) => [one.name, one.label]), node.op, `${path}:op`, (value) => {
      const next = field.operators.find((one) => one.name === value);
      const keeps = next.input === operator.input;
      replace({ field: node.field, op: value, ...(keeps ? { value: node.value } : emptyValue(next.input, field)) }, `${path}:op`);
    }),
    ...valueControls(node, field, operator, path),
  ] : [];
  const count = el("span", { class: "r-xs r-muted r-num", title: words.alone, "data-leaf": String(leaf) });
  leaf += 1;
  const nest = iconButton("box-multiple", words.nest, `${path}:nest`, () => replace({ join: "any", items: [node] }, `${path}.any[0]:about`));
  const remove = iconButton("x", words.remove, `${path}:remove`, () => {
    group.items.splice(place, 1);
    draw(group.items.length ? `${base}[${Math.min(place, group.items.length - 1)}]:remove` : `${base}:add`);
    changed();
  });
  return el("div", { class: "r-cond", "data-path": path }, about, ...controls, el("span", { class: "r-push r-row" }, count, nest, remove), el("p", { class: "r-problem", hidden: true }));
};
const drawGroup = (group, parent, path) => {
  const base = pathOf(group, path);
  const join = select(words.join, [["all", words.all], ["any", words.any], ["none", words.none]].filter(([name]) => parent || name !== "none"), group.join, `${path}:join`, (value) => { group.join = value; draw(`${path}:join`); changed(); });
  const remove = parent ? iconButton("trash", words.removeGroup, `${path}:drop`, () => { parent.items.splice(parent.items.indexOf(group), 1); draw("$.all:add"); changed(); }) : null;
  remove?.classList.add("r-push");
  const add = (name, label, key, make) => {
    const button = el("button", { type: "button", class: `btn btn-sm r-btn${parent ? " quiet" : ""}`, "data-key": key }, icon(name), label);
    button.addEventListener("click", () => pick("", (item) => {
      group.items.push(make(blank(item)));
      draw(`${base}[${group.items.length - 1}]:about`, true);
      changed();
    }));
    return button;
  };
  const people = !parent && box.dataset.people ? el("a", { class: "btn btn-sm r-btn quiet", href: `${box.dataset.people}#hand` }, icon("list-check"), words.people) : null;
  return el("fieldset", { class: `r-rule${group.join === "none" ? " not" : ""}`, "data-path": path },
    el("legend", { class: "visually-hidden" }, words[group.join]), el("div", { class: "r-row" }, join, remove),
    ...group.items.map((item, place) => { const own = `${base}[${place}]`; return item.items ? drawGroup(item, group, own) : drawCondition(item, group, own, base); }),
    !group.items.length ? el("p", { class: "r-sm r-muted" }, words.everybody) : null, el("p", { class: "r-problem", hidden: true }),
    el("div", { class: "r-row wrap" }, add("plus", words.condition, `${base}:add`, (one) => one), add("box-multiple", words.group, `${base}:group`, (one) => ({ join: "any", items: [one] })), !parent ? add("ban", words.out, `${base}:out`, (one) => ({ join: "none", items: [one] })) : null, people));
};
/* Draws all anew; focus goes to the named control, or within a new condition to the first thing to fill in. */
const draw = (focus, deeper = false) => {
  leaf = 0;
  const key = focus ?? document.activeElement?.dataset?.key;
  box.replaceChildren(drawGroup(root, null, "$"));
  showLeaves();
  if (!key) return;
  let found = box.querySelector(`[data-key="${CSS.escape(key)}"]`) ?? box.querySelector(`[data-key="${CSS.escape(key.replace(/\]:about$/, "].any[0]:about"))}"]`) ?? box.querySelector(`[data-key="${CSS.escape(key.replace(/\]:about$/, "].not.any[0]:about"))}"]`);
  if (deeper) found = found?.closest(".r-cond")?.querySelector("select, input") ?? found;
  found?.focus();
};

/* What is wrong, at the condition it belongs to. */
const showProblems = (problems) => {
  box.querySelectorAll(".r-problem").forEach((line) => { line.hidden = true; line.textContent = ""; });
  box.querySelectorAll(".r-cond.wrong").forEach((one) => one.classList.remove("wrong"));
  problems.forEach(([path, message]) => {
    const near = [...box.querySelectorAll("[data-path]")].filter((one) => path.startsWith(one.dataset.path)).sort((a, b) => b.dataset.path.length - a.dataset.path.length)[0];
    const line = near?.querySelector(":scope > .r-problem");
    if (!line) return;
    line.textContent = message;
    line.hidden = false;
    if (near.matches(".r-cond")) near.classList.add("wrong");
  });
};

/* Counting */
let leaves = [];
const showLeaves = () => box.querySelectorAll("[data-leaf]").forEach((mark) => {
  const given = leaves[Number(mark.dataset.leaf)] ?? "";
  const number = given ? Number(given.replace("~", "")).toLocaleString(document.documentElement.lang) : "";
  mark.textContent = given.startsWith("~") ? `${words.about} ${number}` : number;
});
const letters = new Uint8Array(16);
crypto.getRandomValues(letters);
form.elements.token.value = [...letters].map((byte) => byte.toString(16).padStart(2, "0")).join("");

let timer;
let asking = new AbortController();
const ask = async (stage, more = {}) => {
  const body = new FormData(form);
  body.set("stage", stage);
  Object.entries(more).forEach(([name, value]) => body.set(name, value));
  const answer = await fetch(box.dataset.preview, { method: "POST", body, signal: asking.signal, headers: { "X-CSRFToken": csrf, "HX-Request": "true" } });
  if (answer.status === 204) throw new DOMException("ended", "AbortError");
  if (!answer.ok) throw new Error(String(answer.status));
  const holder = el("div");
  holder.innerHTML = await answer.text();
  return holder;
};
const showCount = (holder) => {
  const sentence = holder.querySelector("template[data-sentence]");
  if (sentence) part("sentence").replaceChildren(sentence.content);
  const given = holder.querySelector("[data-leaves]")?.dataset.leaves;
  if (given) { leaves = given.split(","); showLeaves(); }
  const problems = holder.querySelector("#rule-problems");
  showProblems(problems ? JSON.parse(problems.textContent) : []);
  const seconds = holder.querySelector("[data-seconds]")?.dataset.seconds;
  part("rule-took").textContent = seconds ? `${seconds} s` : "";
  problems?.remove();
  part("rule-count").replaceChildren(...holder.childNodes);
  return problems ? null : part("rule-count").querySelector("[data-exact]");
};
const showDetails = (holder) => {
  const figures = holder.querySelector("template[data-figures]");
  const differs = holder.querySelector("template[data-differs]");
  part("rule-figures").replaceChildren(...(figures ? [figures.content] : []));
  const line = part("rule-count").querySelector("[data-difference]");
  if (line && differs) line.textContent = differs.content.textContent.trim();
  [figures, differs].forEach((one) => one?.remove());
  part("rule-details").replaceChildren(...holder.childNodes);
};
const guarded = async (steps) => {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  part("rule-found").setAttribute("aria-busy", "true");
  try {
    await steps();
  } catch (error) {
    if (error.name === "AbortError") return;
    part("rule-count").replaceChildren(el("p", { class: "r-sm r-2" }, words.failed));
  } finally {
    if (!signal.aborted) part("rule-found").removeAttribute("aria-busy");
  }
};
const count = () => guarded(async () => {
  let found = showCount(await ask("first"));
  if (!found) return;
  if (!found.dataset.exact) found = showCount(await ask("exact"));
  if (found) showDetails(await ask("details"));
});
part("rule-details").addEventListener("click", (event) => {
  const others = event.target.closest("[data-others]");
  if (others) guarded(async () => {
    const holder = await ask("sample", { draw: others.dataset.others });
    part("rule-sample").replaceWith(holder.querySelector("#rule-sample"));
    part("rule-sample").querySelector("[data-others]").focus();
  });
});

/* Saving, and leaving without it */
const rule = () => JSON.stringify({ version: 1, ...write(root) });
const state = () => JSON.stringify([rule(), form.elements.name.value, form.elements.description.value]);
form.elements.rule.value = rule();
const saved = told.length ? "" : state();
let sending = false;
const isDraft = () => !sending && state() !== saved;
const mark = () => document.querySelectorAll("[data-draft]").forEach((pill) => { pill.hidden = !isDraft(); });
const changed = () => {
  form.elements.rule.value = rule();
  mark();
  clearTimeout(timer);
  timer = setTimeout(count, 250);
};
["name", "description"].forEach((name) => form.elements[name].addEventListener("input", mark));
form.addEventListener("submit", () => { sending = true; });
addEventListener("beforeunload", (event) => { if (isDraft()) event.preventDefault(); });
addEventListener("pagehide", () => {
  const body = new FormData();
  body.set("token", form.elements.token.value);
  body.set("csrfmiddlewaretoken", csrf);
  navigator.sendBeacon(box.dataset.stop, body);
});

draw();
mark();
showProblems(told.map(({ path, message }) => [path, message]));
if (!told.length) count();
