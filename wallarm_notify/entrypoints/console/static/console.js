// What pages do beside htmx. Everything works without it.
"use strict";
(() => {
  const root = document.documentElement;

  // Times are written by the server in the zone that this cookie names: the first page is read again, once.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const name = "wallarm-notify-zone";
  const known = document.cookie.split("; ").includes(`${name}=${zone}`);
  if (zone && !known) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${name}=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    const kept = document.cookie.split("; ").includes(`${name}=${zone}`);
    const rewrites = root.dataset.zone !== "utc" && zone !== "UTC" && document.querySelector("main time, .foot time");
    if (kept && rewrites && document.readyState !== "complete") location.reload();
  }

  const say = (words) => {
    const live = document.getElementById("live");
    if (live) live.textContent = words;
  };

  const ready = (part) => {
    if (!navigator.clipboard) return;
    for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
  };

  // What is still to come counts down, by the server's clock; its page has the words without that.
  const made = document.querySelector(".foot time");
  const ahead = made ? Date.now() - Date.parse(made.dateTime) : 0;
  const left = (seconds) => {
    const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
    return parts.filter(([figure]) => figure).map(([figure, unit]) => `${figure} ${unit}`).join(" ");
  };
  const brief = (seconds) => {
    if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h`;
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  const count = () => {
    for (const one of document.querySelectorAll("[data-until]")) {
      const seconds = Math.round((Date.parse(one.dataset.until) - Date.now() + ahead) / 1000);
      const words = seconds <= 0 ? "now" : one.dataset.short ? brief(seconds) : `in ${left(seconds)}`;
      if (one.textContent !== words) one.textContent = words;
    }
  };
  if (document.querySelector("[data-until]")) setInterval(count, 1000);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button && navigator.clipboard) {
      event.preventDefault();
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied");
      const label = button.getAttribute("aria-label");
      button.classList.add("copied");
      button.setAttribute("aria-label", "Copied");
      setTimeout(() => {
        button.classList.remove("copied");
        if (label) button.setAttribute("aria-label", label);
        else button.removeAttribute("aria-label");
      }, 2000);
    }
    for (const open of document.querySelectorAll("details[data-drop][open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const open of document.querySelectorAll("details[data-drop][open]")) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("[data-search]");
    if (search && search.offsetParent !== null) {
      event.preventDefault();
      search.focus();
    }
  });

  // One box stands for several: it shows all, none or some of them.
  const keepInStep = (parent) => {
    const children = [...document.querySelectorAll(`[data-part-of="${parent.dataset.whole}"]`)];
    const shown = document.querySelector(`[data-count-of="${parent.dataset.whole}"]`);
    const read = () => {
      const ticked = children.filter((one) => one.checked).length;
      parent.checked = ticked === children.length;
      parent.indeterminate = ticked > 0 && ticked < children.length;
      if (shown) shown.textContent = `${ticked} of ${children.length}`;
    };
    parent.addEventListener("change", () => {
      for (const one of children) one.checked = parent.checked;
      read();
    });
    for (const one of children) one.addEventListener("change", read);
    read();
  };
  for (const parent of document.querySelectorAll("[data-whole]")) keepInStep(parent);

  // What is wrong with an integration key is shown as it is typed; the server checks it all the same.
  const kindOfKey = (text) => {
    if (!text) return "nothing";
    if (/^[A-Za-z0-9]{32}$/.test(text)) return "right";
    if (/^[A-Za-z0-9_+-]{20}$/.test(text)) return "rest";
    if (/[^A-Za-z0-9]/.test(text)) return "characters";
    return text.length < 32 ? "short" : "long";
  };
  for (const field of document.querySelectorAll("[data-key]")) {
    const says = [...document.querySelectorAll("[data-key-says]")];
    field.addEventListener("input", () => {
      const text = field.value.trim();
      const kind = kindOfKey(text);
      for (const one of says) {
        one.hidden = one.dataset.keySays !== kind;
        const length = one.querySelector("[data-key-length]");
        if (length) length.textContent = text.length;
      }
      field.classList.toggle("invalid", ["rest", "characters", "long"].includes(kind));
    });
  }

  document.addEventListener("htmx:after:swap", () => ready(document));
  ready(document);
})();
