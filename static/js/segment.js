/* The segment builder: nested groups of conditions as form controls, kept as the rule's JSON in a hidden input,
   counted by the server 300 ms after the last change; a new change cancels the count that is under way. */
const { fields: described, rule: start } = JSON.parse(document.getElementById("builder-data").textContent);
const words = document.getElementById("builder-words").dataset;
const form = document.getElementById("segment");
const box = document.getElementById("builder");
const found = document.getElementById("rule-found");
const token = document.querySelector('meta[name="csrf-token"]').content;

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
const iconButton = (name, label, act) => {
  const button = el("button", { type: "button", class: "r-ib sm", "aria-label": label }, icon(name));
  button.addEventListener("click", act);
  return button;
};
const select = (label, options, value, change, more = {}) => {
  const control = el("select", { class: "form-select form-select-sm", "aria-label": label, ...more });
  options.forEach(([name, text]) => control.append(el("option", { value: String(name), selected: [].concat(value).map(String).includes(String(name)) }, text)));
  control.addEventListener("change", () => change(control));
  return control;
};
const input = (label, type, value, change, more = {}) => {
  const control = el("input", { class: "form-control form-control-sm", type, "aria-label": label, value: value ?? "", ...more });
  control.addEventListener("input", () => change(control.value));
  return control;
};

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
  if (node.join === "none") return { not: { any: items } };
  return { [node.join]: items };
};
let root = read(start);
if (!root.items || root.join === "none") root = { join: "all", items: [root] };

const numberOf = (text) => (text.trim() === "" ? null : Number(text));
const firstField = () => fields.get("traits.orders_total") ?? [...fields.values()][0];
const blank = (field) => {
  const operator = field.operators[0];
  return { field: field.name, op: operator.name, ...emptyValue(operator.input, field) };
};
const emptyValue = (kind, field) => {
  if (kind === "none") return {};
  if (kind === "choice") return { value: field.choices?.[0]?.value ?? "" };
  if (kind === "choices" || kind === "texts") return { value: field.choices?.length ? [field.choices[0].value] : [] };
  if (kind === "number_range") return { value: [0, 10] };
  if (kind === "date_range") { const day = new Date().toISOString().slice(0, 10); return { value: [day, day] }; }
  if (kind === "date") return { value: new Date().toISOString().slice(0, 10) };
  if (kind === "days") return { value: 30 };
  if (kind === "number") return { value: 1 };
  if (kind === "consent") return { value: { purpose: field.dimensions?.find(({ name }) => name === "purpose")?.choices[0]?.value ?? "" } };
  return { value: "" };
};
const choiceOf = (field, text) => field.choices.find(({ value }) => String(value) === text)?.value ?? text;

const valueControls = (node, field, operator) => {
  const set = (value) => { node.value = value; changed(); };
  const choices = (field.choices ?? []).map(({ value, label }) => [value, label]);
  switch (operator.input) {
    case "none": return [];
    case "choice": return [select(words.value, choices, node.value, ({ value }) => set(choiceOf(field, value)))];
    case "choices": return [select(words.value, choices, node.value ?? [], (control) => set([...control.selectedOptions].map(({ value }) => choiceOf(field, value))), { multiple: true, size: String(Math.min(4, Math.max(2, choices.length))), title: words.many })];
    case "texts": return [input(words.value, "text", (node.value ?? []).join(", "), (text) => set(text.split(",").map((part) => part.trim()).filter(Boolean)))];
    case "number_range": case "date_range": {
      const type = operator.input === "date_range" ? "date" : "number";
      const at = (place, text) => { const value = [...node.value]; value[place] = type === "number" ? numberOf(text) : text; set(value); };
      return [input(words.value, type, node.value?.[0], (text) => at(0, text), { step: "any" }), el("span", { class: "r-sm" }, words.and), input(words.value, type, node.value?.[1], (text) => at(1, text), { step: "any" })];
    }
    case "date": return [input(words.value, "date", node.value, set)];
    case "days": return [input(words.value, "number", node.value, (text) => set(numberOf(text)), { min: "0" }), el("span", { class: "r-sm" }, words.days)];
    case "number": return [input(words.value, "number", node.value, (text) => set(numberOf(text)), { step: "any" }), field.unit ? el("span", { class: "r-sm r-muted" }, field.unit) : null];
    case "consent": return field.dimensions.map((dimension) => dimensionControl(dimension, node.value, set));
    default: return [input(words.value, "text", node.value, set, { maxlength: "200" })];
  }
};
const dimensionControl = (dimension, where, set) => {
  const options = [...(dimension.required ? [] : [["", `${dimension.label}: ${words.anyone}`]]), ...(dimension.choices ?? []).map(({ value, label }) => [value, label])];
  return select(dimension.label, options, where[dimension.name] ?? "", ({ value }) => {
    const next = { ...where };
    if (value) next[dimension.name] = value; else delete next[dimension.name];
    set(next);
    draw();
  });
};

const about = (node, replace) => {
  const control = el("select", { class: "form-select form-select-sm", "aria-label": words.field });
  described.groups.forEach((group) => {
    const options = [...(group.fields ?? []).map(({ name, label }) => [`f:${name}`, label]), ...(group.events ?? []).map(({ name, label }) => [`e:${name}`, label])];
    if (!options.length) return;
    const part = el("optgroup", { label: group.label });
    const current = node.event ? `e:${node.event.what}` : `f:${node.field}`;
    options.forEach(([value, label]) => part.append(el("option", { value, selected: value === current }, label)));
    control.append(part);
  });
  control.addEventListener("change", () => {
    const name = control.value.slice(2);
    replace(control.value.startsWith("e:") ? { event: { what: name }, op: "at_least", count: 1, days: 90 } : blank(fields.get(name)));
  });
  return control;
};
const eventControls = (node) => {
  const event = events.get(node.event.what);
  if (!event) return [];
  const set = (where) => { node.event = where; changed(); };
  return [
    ...event.dimensions.map((dimension) => dimensionControl(dimension, node.event, set)),
    select(words.operator, event.operators.map(({ name, label }) => [name, label]), node.op, ({ value }) => { node.op = value; changed(); }),
    input(words.times, "number", node.count, (text) => { node.count = numberOf(text); changed(); }, { min: "0" }), el("span", { class: "r-sm" }, words.times),
    select(words.window, [["", words.ever], ["days", words.window]], node.days ? "days" : "", ({ value }) => { if (value) node.days = 90; else delete node.days; draw(); changed(); }),
    node.days ? input(words.days, "number", node.days, (text) => { node.days = numberOf(text); changed(); }, { min: "1" }) : null,
  ];
};

let leaf = 0;
const drawCondition = (node, group) => {
  const replace = (next) => { group.items[group.items.indexOf(node)] = next; draw(); changed(); };
  const field = fields.get(node.field);
  const operator = field?.operators.find(({ name }) => name === node.op) ?? field?.operators[0];
  const controls = node.event ? eventControls(node) : field ? [
    select(words.operator, field.operators.map(({ name, label }) => [name, label]), node.op, ({ value }) => {
      const next = field.operators.find(({ name }) => name === value);
      const keeps = next.input === operator.input;
      replace({ field: node.field, op: value, ...(keeps ? { value: node.value } : emptyValue(next.input, field)) });
    }),
    ...valueControls(node, field, operator),
  ] : [];
  const count = el("span", { class: "r-xs r-muted r-num", title: words.alone, "data-leaf": String(leaf) });
  leaf += 1;
  const remove = iconButton("x", words.remove, () => { group.items.splice(group.items.indexOf(node), 1); draw(); changed(); });
  return el("div", { class: "r-cond" }, about(node, replace), ...controls, el("span", { class: "r-push r-row" }, count, remove));
};
const drawGroup = (group, parent) => {
  const join = select(words.join, [["all", words.all], ["any", words.any], ["none", words.none]].filter(([name]) => parent || name !== "none"), group.join, ({ value }) => { group.join = value; draw(); changed(); });
  const remove = parent ? iconButton("trash", words.removeGroup, () => { parent.items.splice(parent.items.indexOf(group), 1); draw(); changed(); }) : null;
  remove?.classList.add("r-push");
  const add = (name, label, make) => {
    const button = el("button", { type: "button", class: `btn btn-sm r-btn${parent ? " quiet" : ""}` }, icon(name), label);
    button.addEventListener("click", () => { group.items.push(make()); draw(); changed(); });
    return button;
  };
  return el("fieldset", { class: `r-rule${group.join === "none" ? " not" : ""}` },
    el("legend", { class: "visually-hidden" }, words[group.join]), el("div", { class: "r-row" }, join, remove),
    ...group.items.map((item) => (item.items ? drawGroup(item, group) : drawCondition(item, group))),
    !parent && !group.items.length ? el("p", { class: "r-sm r-muted" }, words.everybody) : null,
    el("div", { class: "r-row wrap" }, add("plus", words.condition, () => blank(firstField())), add("box-multiple", words.group, () => ({ join: "any", items: [blank(firstField())] }))));
};
const draw = () => {
  leaf = 0;
  box.replaceChildren(drawGroup(root, null));
};

let timer;
let asking;
const count = async () => {
  asking?.abort();
  asking = new AbortController();
  const body = new FormData(form);
  try {
    const answer = await fetch(box.dataset.preview, { method: "POST", body, signal: asking.signal, headers: { "X-CSRFToken": token, "HX-Request": "true" } });
    if (!answer.ok) return;
    found.innerHTML = await answer.text();
    const leaves = (found.querySelector("[data-leaves]")?.dataset.leaves ?? "").split(",");
    box.querySelectorAll("[data-leaf]").forEach((mark) => {
      const number = leaves[Number(mark.dataset.leaf)];
      mark.textContent = number ? Number(number).toLocaleString(document.documentElement.lang) : "";
    });
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
};
const changed = () => {
  form.elements.rule.value = JSON.stringify({ version: 1, ...write(root) });
  clearTimeout(timer);
  timer = setTimeout(count, 300);
};
draw();
changed();
