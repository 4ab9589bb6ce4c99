// Keys for what Tab and the links do already: the pages are whole without this file.
{
  const rows = [...document.querySelectorAll("table.models tbody tr, .inbox li, table.slices tbody tr, table.runs tbody tr, table.suspects tbody tr")];
  let at = -1;

  for (const drawing of document.querySelectorAll(".roll")) {
    const box = drawing.querySelector(".nd.self, .nd.asked");
    if (box) drawing.scrollLeft = box.getBBox().x + box.getBBox().width / 2 - drawing.clientWidth / 2;
  }

  const go = (step) => {
    if (!rows.length) return;
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    const link = rows[at].querySelector("a[href^='/incidents/']") || rows[at].querySelector("a");
    if (link) link.focus();
    rows[at].scrollIntoView({ block: "nearest" });
  };

  const turn = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("watchglass-theme", root.dataset.theme); } catch { /* storage is off: kept for this page */ }
  };

  const list = () => {
    const known = document.querySelector("dialog.keys");
    if (known) { known.remove(); return; }
    const dialog = document.createElement("dialog");
    dialog.className = "keys";
    dialog.setAttribute("aria-label", "Keys");
    const table = document.createElement("dl");
    for (const [key, what] of [["/", "jump to a model, run, artifact or incident"], ["j k", "next, previous row"], ["Enter", "open it"],
      ["[ ]", "earlier, later days"], ["t", "light or dark"], ["?", "this list"], ["Esc", "close it"]]) {
      const term = document.createElement("dt");
      const meaning = document.createElement("dd");
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap);
      meaning.textContent = what;
      table.append(term, meaning);
    }
    dialog.append(table);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  const follow = (place) => {
    const link = document.querySelector(`.range a:${place}`);
    if (link) link.click();
  };

  const meanings = {
    "/": () => document.getElementById("jump")?.focus(),
    j: () => go(1), k: () => go(-1), t: turn, "?": list,
    "[": () => follow("first-of-type"), "]": () => document.querySelector(".range a[aria-label^='Later']")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
    const meant = meanings[event.key];
    if (meant) { event.preventDefault(); meant(); }
  });
}
