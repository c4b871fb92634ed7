"use strict";
// Shared by all scripts: the data, the text of values, the theme.
const page = {
  data: JSON.parse(document.getElementById("data").textContent),
  // Functions to call when the theme changes.
  themed: [],
};

page.make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

page.value = (entry, name, k) => {
  if (name === "id") return entry.ids[k];
  const column = entry.columns[name];
  const value = Array.isArray(column) ? column[k] : column;
  return value === "inf" ? Infinity : value === "-inf" ? -Infinity : value ?? null;
};

page.text = (value) => {
  if (value === null || value === undefined) return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === Infinity) return "inf";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return Number(value.toPrecision(4)).toString();
};

// Missing values come last in either direction.
page.compare = (a, b, direction) => {
  const missing = (value) => value === null || value === undefined || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (typeof a === "string" || typeof b === "string") {
    return direction * String(a).localeCompare(String(b), "en", { numeric: true });
  }
  return direction * (a === b ? 0 : a < b ? -1 : 1);
};

page.options = (select, names) => {
  select.replaceChildren(...names.map((name, index) => page.make("option", { value: String(index), textContent: name })));
};

page.columns = () => {
  const names = ["id", ...page.data.entries.flatMap((entry) => Object.keys(entry.columns))];
  return [...new Set(names)];
};

{
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const names = ["automatic", "light", "dark"];
  let chosen = 0;
  const apply = () => {
    page.dark = names[chosen] === "dark" || (names[chosen] === "automatic" && system.matches);
    document.documentElement.dataset.theme = page.dark ? "dark" : "light";
    button.textContent = `Theme: ${names[chosen]}`;
    page.themed.forEach((act) => act());
  };
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % names.length;
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
