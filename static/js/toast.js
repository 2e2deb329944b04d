/* Toasts: those the server sent with the page, with a fragment (HX-Trigger: toast), and those of scripts. */
const place = document.getElementById("toasts");
const { Toast } = window.bootstrap ?? window.tabler ?? {};
const ICONS = { error: "ti-alert-circle r-neg", warning: "ti-alert-triangle", success: "ti-circle-check r-pos", info: "ti-info-circle" };

const show = (toast) => {
  if (!Toast) {
    toast.classList.add("show");
    return;
  }
  toast.addEventListener("hidden.bs.toast", () => toast.remove());
  Toast.getOrCreateInstance(toast).show();
};

const add = ({ text, level = "info" }) => {
  const toast = document.getElementById("toast-blank").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-text]").textContent = text;
  toast.querySelector(".ti").className = `ti ${ICONS[level] ?? ICONS.info}`;
  if (level === "error") toast.dataset.bsDelay = "10000";
  place.append(toast);
  show(toast);
};

place.querySelectorAll(".toast").forEach(show);
document.addEventListener("rapport:toast", (event) => add(event.detail));
document.addEventListener("toast", (event) => add(event.detail));
