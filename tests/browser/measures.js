// What a designer would measure of a page that is open: its type, its left edge, and what is cut or empty.
() => {
  const seen = (one) =>
    one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !one.closest(".sr, .skip, .clamp, .tight span");
  const main = document.querySelector("main");
  const box = "summary, svg:not(.i), .panel, .todo, .broken, .seg, .card, .cards, .chip, .limits, .progress, .btn:not(.quiet), input, textarea, select";

  const painted = (one) => {
    if (one.matches("svg.i")) return one.querySelector("use").getBoundingClientRect();
    const range = document.createRange();
    if (one.nodeType === Node.TEXT_NODE) range.selectNodeContents(one);
    return (one.nodeType === Node.TEXT_NODE ? range : one).getBoundingClientRect();
  };
  const texts = (root) => {
    const found = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let one = walker.nextNode(); one; one = walker.nextNode()) {
      const within = one.parentElement;
      if (!one.data.trim() || !seen(within) || within.closest("script, style, option, title")) continue;
      const range = document.createRange();
      range.selectNodeContents(one);
      const where = range.getBoundingClientRect();
      const head = within.closest("thead");
      if (where.width > 2 && !(head && getComputedStyle(head).clipPath !== "none")) found.push([one, where]);
    }
    return found;
  };
  const fields = [...document.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea")].filter(seen);

  const sizes = {}, weights = {}, cut = [];
  const note = (one, words) => {
    const style = getComputedStyle(one);
    if (style.fontSize === "0px") return;
    sizes[style.fontSize] ??= words;
    weights[style.fontWeight] ??= words;
  };
  for (const [text, where] of texts(document.body)) {
    const words = text.data.trim().slice(0, 40);
    note(text.parentElement, words);
    for (let one = text.parentElement; one !== document.body; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.display === "inline" || style.overflowX === "visible") continue;
      // What is cut is there whole for whoever points at it.
      if (where.right > one.getBoundingClientRect().right + 1 && !one.closest("[title]")) cut.push(words);
      break;
    }
  }
  for (const one of fields) {
    note(one, one.name);
    if (one.placeholder && one.tagName === "INPUT" && one.scrollWidth > one.clientWidth + 1) cut.push(one.placeholder);
    if (one.tagName === "INPUT" && one.clientWidth < 40) cut.push(`field ${one.name}`);
  }

  const leftOf = (one) => {
    if (one.matches(box)) return one.getBoundingClientRect().left;
    const lefts = [...one.querySelectorAll(`${box}, svg.i`)].filter((part) => seen(part) && part.type !== "hidden").map((part) => painted(part).left);
    return Math.min(...lefts, ...texts(one).map(([, where]) => where.left));
  };
  const levels = [":scope > *", ":scope > .head > *", ":scope > .section > *", ":scope > .stack > *", ":scope > .stack > .head > *",
    ":scope > .stack > .section > *", ":scope > form.form > *"];
  const edge = leftOf(main.querySelector(".verdict, h1"));
  const beside = [...main.querySelectorAll(levels.join())]
    .filter((one) => seen(one) && one.getBoundingClientRect().width > 2)
    .map((one) => [leftOf(one) - edge, one])
    .filter(([by]) => Number.isFinite(by) && Math.abs(by) > 3)
    .map(([by, one]) => `${Math.round(by)} px: ${one.className || one.tagName}: ${one.textContent.trim().slice(0, 30)}`);

  const empty = [];
  for (const table of document.querySelectorAll("table")) {
    if (!seen(table) || !table.tBodies[0].rows.length) continue;
    [...table.querySelectorAll("thead th")].forEach((head, place) => {
      const cells = [...table.tBodies[0].rows].map((row) => row.cells[place]);
      if (cells.every((cell) => !cell?.textContent.trim() && !cell?.querySelector("svg"))) empty.push(head.textContent);
    });
  }
  const primary = [...document.querySelectorAll(".btn.primary")].filter(seen).length;
  return { sizes, weights, beside, cut, empty, primary, wide: document.documentElement.scrollWidth };
};
