"use strict";
// The images as cards, sorted and filtered by any column. A card gets its pictures when it comes into view.
page.caseOf = (entry, k) => (page.data.cases[entry.run] || {})[entry.ids[k]] || null;

page.address = (entry, k) => `#image/${encodeURIComponent(entry.name)}/${encodeURIComponent(entry.ids[k])}`;

// Pictures on top of each other; each uses its first source that loads.
page.stack = (layers) => {
  const stack = page.make("div", { className: "stack" });
  for (const { sources, map } of layers) {
    const [first, ...others] = sources.filter(Boolean);
    if (!first) continue;
    const picture = page.make("img", { src: first.src, alt: "", decoding: "async", loading: "lazy" });
    if (map && first.file) picture.className = "map";
    picture.addEventListener("error", () => {
      const next = others.shift();
      picture.className = map && next && next.file ? "map" : "";
      if (next) picture.src = next.src;
      else picture.remove();
    });
    stack.append(picture);
  }
  return stack;
};

page.MAPS = ["truth", "target", "prediction", "fooled"];

// Panels marked "full" are shown only for an opened image.
page.PANELS = [
  ["clean", ["clean"]],
  ["truth", ["clean", "truth"]],
  ["prediction", ["clean", "prediction"], "full"],
  ["target", ["clean", "target"]],
  ["adversarial", ["adversarial"]],
  ["prediction on it", ["adversarial", "fooled"]],
  ["perturbation", ["change"]],
];

page.sources = (entry, k, name, full) => {
  const files = entry.files[k] || {};
  const embedded = { ...page.caseOf(entry, k), ...entry.pictures[k] }[name];
  const file = files[name] && { src: files[name], file: true };
  const inside = embedded && { src: embedded, file: false };
  // An embedded label map has outlines, its file has none.
  return full && !page.MAPS.includes(name) ? [file, inside] : [inside, file];
};

page.panels = (entry, k, full) => page.PANELS.filter(([, , room]) => full || !room).map(([caption, names]) => {
  const layers = names.map((name) => ({ sources: page.sources(entry, k, name, full), map: page.MAPS.includes(name) }));
  const scale = entry.pictures[k] && entry.pictures[k].scale;
  const named = caption === "truth" ? entry.truth : caption;
  const text = caption === "perturbation" && scale ? `perturbation ×${scale}` : named;
  return page.make("figure", {}, page.stack(layers), page.make("figcaption", { textContent: text }));
});

page.outcome = (entry, k) => {
  if (page.value(entry, "success_clean", k)) return ["", "– already satisfied"];
  return page.value(entry, "success8", k) ? ["good", "✓ success"] : ["bad", "✗ failed"];
};

page.shown = [];

if (document.getElementById("cards")) {
  const entries = page.data.entries;
  const form = document.getElementById("tools");
  const cards = document.getElementById("cards");
  const { entry: chosen, find, sort, order, column, test, value } = form.elements;
  const columns = page.columns();
  const filters = [];
  const cardsByKey = new Map();
  let ascending = true;

  page.options(chosen, entries.length > 1 ? [...entries.map((entry) => entry.name), "all"] : entries.map((e) => e.name));
  page.options(sort, columns);
  page.options(column, columns);
  column.value = String(Math.max(0, columns.indexOf("adv8_iou_target")));

  // Links and numbers exist before the pictures, so that keyboard and search reach cards out of view.
  const watcher = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) target.fill();
  }, { rootMargin: "600px" });

  const make = (entry, k) => {
    const [kind, outcome] = page.outcome(entry, k);
    const score = entry.targeted ? "adv8_iou_target" : "adv8_iou_truth";
    const iou = `IoU to ${entry.targeted ? "target" : entry.truth} ${page.text(page.value(entry, score, k))}`;
    const numbers = `${entry.left[k] ?? iou} · ` +
      `L2 ${page.text(page.value(entry, "l2", k))} · ${page.text(page.value(entry, "steps", k))} steps`;
    const link = page.make("a", { href: page.address(entry, k) }, page.make("strong", { textContent: entry.ids[k] }));
    const line = page.make("p", {}, page.make("span", { className: kind, textContent: outcome }), ` · ${numbers}`);
    const sorted = page.make("p", { className: "sorted" });
    const item = page.make("li", {}, link, line, sorted);
    if (entries.length > 1) item.append(page.make("p", { className: "note", textContent: entry.name }));
    item.dataset.id = entry.ids[k];
    item.fill = () => {
      watcher.unobserve(item);
      if (link.children.length === 1) {
        link.append(page.make("div", { className: "panels" }, ...page.panels(entry, k, false)));
      }
    };
    item.label = () => {
      const name = columns[Number(sort.value)];
      sorted.textContent = name === "id" ? "" : `${name}: ${page.text(page.value(entry, name, k))}`;
    };
    watcher.observe(item);
    return item;
  };

  const cardOf = (entry, k) => {
    const key = `${entries.indexOf(entry)}/${k}`;
    if (!cardsByKey.has(key)) cardsByKey.set(key, make(entry, k));
    return cardsByKey.get(key);
  };

  const passes = (entry, k) => filters.every(({ name, test, value }) => {
    const cell = page.value(entry, name, k);
    const text = page.text(cell);
    if (test === "contains") return text.toLowerCase().includes(value.toLowerCase());
    const number = Number(value);
    const numeric = typeof cell === "number" && value.trim() !== "" && !Number.isNaN(number);
    if (test === "=") return numeric ? cell === number : text === value;
    if (test === "≠") return numeric ? cell !== number : text !== value;
    return numeric && (test === "≥" ? cell >= number : cell <= number);
  });

  const show = () => {
    const which = Number(chosen.value);
    const from = which < entries.length ? [entries[which]] : entries;
    const name = columns[Number(sort.value)];
    const all = from.flatMap((entry) => entry.ids.map((_, k) => ({ entry, k })));
    page.shown = all.filter(({ entry, k }) => entry.ids[k].toLowerCase().includes(find.value.toLowerCase()) && passes(entry, k));
    page.shown.sort((a, b) =>
      page.compare(page.value(a.entry, name, a.k), page.value(b.entry, name, b.k), ascending ? 1 : -1));
    const items = page.shown.map(({ entry, k }) => cardOf(entry, k));
    items.forEach((item) => item.label());
    cards.replaceChildren(...items);
    document.getElementById("count").textContent = `${page.shown.length} of ${all.length} shown`;
  };

  const showFilters = () => {
    document.getElementById("filters").replaceChildren(...filters.map((filter, index) => {
      const text = `${filter.name} ${filter.test} ${filter.value}`;
      const remove = page.make("button", { type: "button", textContent: `${text} ×` });
      remove.setAttribute("aria-label", `Remove the filter ${text}`);
      remove.addEventListener("click", () => {
        filters.splice(index, 1);
        showFilters();
        show();
        value.focus();
      });
      return page.make("li", {}, remove);
    }));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (value.value.trim() === "") return value.focus();
    filters.push({ name: columns[Number(column.value)], test: test.value, value: value.value.trim() });
    value.value = "";
    showFilters();
    show();
  });
  order.addEventListener("click", () => {
    ascending = !ascending;
    order.textContent = ascending ? "Ascending" : "Descending";
    order.setAttribute("aria-pressed", String(!ascending));
    show();
  });
  for (const control of [chosen, sort]) control.addEventListener("change", show);
  find.addEventListener("input", show);
  addEventListener("beforeprint", () => [...cards.children].forEach((item) => item.fill()));
  show();
}
