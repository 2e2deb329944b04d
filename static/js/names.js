/* Countries and currencies by their names in the reader's language; the server only sends the codes. */
const language = document.documentElement.lang || "en";
document.querySelectorAll("[data-names]").forEach((list) => {
  const names = new Intl.DisplayNames([language], { type: list.dataset.names });
  const options = [...list.querySelectorAll("option[value]")];
  options.forEach((option) => {
    if (!option.value) return;
    const name = names.of(option.value);
    option.textContent = list.tagName === "SELECT" ? name : "";
    option.label = name;
  });
  if (list.tagName !== "SELECT") return;
  const chosen = list.value;
  options.sort((a, b) => a.label.localeCompare(b.label, language)).forEach((option) => list.append(option));
  list.value = chosen;
});
