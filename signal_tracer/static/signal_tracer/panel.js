/* The place for the panel's comfort: filter, folding, what is remembered, and opening in place what the toolbar's own
 * script opens in its window. The panel is whole without it, where a policy keeps it from loading.
 *
 * It listens on the document and looks inside the path of each event: so it needs no setting up
 * when the toolbar loads the panel, switches to another request or is itself replaced, and it
 * reaches into the shadow DOM. The styles are adopted, not linked: no policy forbids that, and
 * they hold inside the shadow DOM.
 */

const STYLES = `
#djDebug .sigtr .sigtr-controls {
  display: flex; flex-wrap: wrap; gap: 8px; align-items: center; position: sticky; top: 0;
  z-index: 1; padding: 6px 0; background: var(--djdt-panel-content-background-color);
}
#djDebug .sigtr input[type="search"] {
  flex: 0 1 310px; padding: 3px 6px; font: inherit; border-radius: 4px;
  border: 1px solid var(--djdt-button-border-color);
  color: var(--djdt-font-color); background: var(--djdt-background-color);
}
#djDebug .sigtr.sigtr :is(h4, p, th, td, div, span, small, summary, details, dt, dd) { text-align: start; }
#djDebug .sigtr.sigtr td.djdt-time { text-align: end; white-space: nowrap; }
#djDebug .sigtr.sigtr th.sigtr-number { text-align: end; }
#djDebug .sigtr.sigtr table > tbody > tr > td { padding: 4px 10px; }
#djDebug .sigtr.sigtr .djdt-codeContext > tbody > tr > td { padding: 2px 3px; border-top: 0; }
#djDebug .sigtr.sigtr .sigtr-timeline > tbody > tr > td { padding: 2px 6px; }
#djDebug .sigtr.sigtr .sigtr-timeline > tbody > tr > td.djdt-toggle { padding-inline-end: 0; }
#djDebug .sigtr.sigtr .djToggleSwitch:not([hidden]), #djDebug .sigtr .djdt-toggle > a.remoteCall {
  box-sizing: border-box; display: inline-block; width: 18px; margin: 0; padding: 1px 0 3px;
  border: 1px solid var(--djdt-button-border-color); border-radius: 2px; line-height: 1;
  text-align: center; text-decoration: none; vertical-align: middle;
}
/* Two switches in a row that nobody takes for each other: a triangle folds, dots open. */
#djDebug .sigtr.sigtr .djToggleSwitch[data-toggle-id^="f"] { border-color: transparent; background: none; }
#djDebug .sigtr.sigtr .djToggleSwitch, #djDebug .sigtr .djdt-toggle > a.remoteCall { font-size: 0; }
#djDebug .sigtr.sigtr .djToggleSwitch::before, #djDebug .sigtr .djdt-toggle > a.remoteCall::before {
  content: "⋯"; font-size: 12px;
}
#djDebug .sigtr.sigtr .djToggleSwitch[data-toggle-id^="f"]::before { content: "▾"; font-size: 14px; }
#djDebug .sigtr.sigtr .djToggleSwitch[data-toggle-id^="f"][aria-expanded="false"]::before { content: "▸"; }
#djDebug .sigtr.sigtr[dir="rtl"] .djToggleSwitch[data-toggle-id^="f"][aria-expanded="false"]::before { content: "◂"; }
/* At the top: whichever row is the last to be seen, below it is the border of the table. */
#djDebug .sigtr.sigtr tbody td {
  border-bottom: 0;
  border-top: 1px solid color-mix(in srgb, var(--djdt-table-border-color) 30%, transparent);
}
#djDebug .sigtr.sigtr table > tbody:first-child > tr:first-child > td { border-top: 0; }
/* Columns stay where they are, whatever rows are shown, and are the same in each table of the map. */
#djDebug .sigtr :is(.sigtr-timeline, .sigtr-map) { table-layout: fixed; }
@media (max-width: 1100px) {
  #djDebug .sigtr.sigtr .sigtr-receivers tr > * { padding-inline: 5px; }
  #djDebug .sigtr .sigtr-timeline col.sigtr-bar { width: 18%; }
}
/* Names before bars: where there is not room for both. The column stays, for those that span it. */
@media (max-width: 900px) {
  #djDebug .sigtr .sigtr-timeline col.sigtr-bar { width: 0; }
  #djDebug .sigtr.sigtr .sigtr-timeline > * > tr > .sigtr-bar { padding: 0; font-size: 0; }
  #djDebug .sigtr .sigtr-timeline .sigtr-bar svg { display: none; }
  #djDebug .sigtr .sigtr-receivers tr > :is(:nth-child(5), :nth-child(6)) { display: none; }
}
#djDebug .sigtr .sigtr-timeline > tbody > tr > td.djDebugSql { word-break: normal; overflow-wrap: anywhere; }
#djDebug .sigtr.sigtr .sigtr-views { margin-top: 6px; }
#djDebug .sigtr .sigtr-dot { display: none; }
#djDebug .sigtr .sigtr-views > a {
  display: inline-block; padding: 2px 8px; border: 1px solid var(--djdt-button-border-color);
  border-radius: 4px; text-decoration: none;
}
#djDebug .sigtr .sigtr-views > a[aria-current="true"] {
  color: var(--djdt-background-color); background: var(--djdt-font-color);
}
/* A short result is where the long one was: the page does not shrink under the reader. */
#djDebug .sigtr .sigtr-section.sigtr-filtered { min-height: 100vh; }
#djDebug .sigtr th[aria-sort="descending"] > a::after { content: " ▼"; }
#djDebug .sigtr th[aria-sort="ascending"] > a::after { content: " ▲"; }
#djDebug .sigtr.sigtr tbody > tr:nth-child(odd):not(.djdt-highlighted) { background: transparent; }
#djDebug .sigtr.sigtr tbody > tr:not(.djdt-highlighted):hover { background: var(--djdt-panel-content-table-strip-background-color); }
#djDebug .sigtr small { opacity: 0.8; }
#djDebug .sigtr a { text-decoration: underline; }
#djDebug .sigtr .sigtr-mark {
  display: inline-block; padding: 0 4px; border: 1px solid currentColor; border-radius: 3px;
  font-size: 10px; line-height: 1.5; white-space: nowrap;
}
#djDebug .sigtr .sigtr-trouble { color: #fff; background: #b3261e; border-color: #b3261e; }
#djDebug .sigtr .sigtr-caution { color: #000; background: #ffd166; border-color: #ffd166; }
#djDebug .sigtr bdi.sigtr-place { user-select: all; }
#djDebug .sigtr.sigtr .sigtr-sql { font-family: var(--djdt-font-family-monospace); }
#djDebug .sigtr .sigtr-filtered tbody.djUnselected:not([hidden]) { display: table-row-group; }
#djDebug .sigtr .sigtr-said:not(:empty)::before { content: "✓ "; }
#djDebug .sigtr.sigtr .djDebugRowWarning .djdt-time { color: inherit; font-weight: 700; }
`;

// Where nothing can be copied, the outline opens in the window, and its link says no more.
const COPYING = `
#djDebug .sigtr .sigtr-uncopied { display: none; }
#djDebug .sigtr .sigtr-copied { display: inline; }
`;

const sheet = new CSSStyleSheet();
const chosen = new WeakMap(); // panel -> the kind of rows that a number in its head asked for
const asked = new WeakMap(); // panel -> how often it was filtered: only the last answer counts
const failed = new WeakSet(); // links that the toolbar is to follow, and to say what is wrong

function adopt(root) {
  if (!root.adoptedStyleSheets.includes(sheet)) {
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }
}

const bodies = (panel) => [...panel.querySelectorAll(".sigtr-timeline > tbody")];
const numbers = (body) => [...body.classList].flatMap((name) => name.match(/(?<=_f)\d+/) ?? []);
const foldOf = (body) => body.querySelector('.djToggleSwitch[data-toggle-id^="f"]');
const numberOf = (body) => body.id.split("_")[1];

async function load(link, more = "") {
  const answer = await fetch(link.href + more, { credentials: "same-origin" });
  return answer.json();
}

function showWindow(root, content) {
  const win = root.querySelector("#djDebugWindow");
  win.innerHTML = content;
  win.classList.remove("djdt-hidden");
}

/* The toolbar's own would show no more than "404" of an answer that says what to do. */
function openWindow(link, scope) {
  load(link).then(
    (data) => showWindow(scope.getRootNode(), data.content),
    () => { failed.add(link); link.click(); },
  );
}

/* Folding */

function fold(scope, isOpen, only) {
  const all = bodies(scope);
  const open = new Map();
  for (const body of all) {
    const button = foldOf(body);
    if (!button) continue;
    if (!only || button === only) {
      button.textContent = isOpen ? "-" : "+";
      button.setAttribute("aria-expanded", isOpen);
    }
    open.set(numberOf(body), button.textContent === "-");
  }
  for (const body of all) {
    const isFolded = numbers(body).some((number) => open.get(number) === false);
    body.classList.toggle("djUnselected", isFolded);
  }
}

/* The filter: the server looks, which knows arguments, and rows that are not here yet. */

const viewOf = (panel) =>
  new URL(panel.querySelector('.sigtr-views > a[aria-current="true"]')?.href ?? "x:").searchParams.get("view") ?? "own";
const bodyOf = (panel, number) => panel.querySelector(`#sigtr_${number}`);

async function find(panel, words, kind) {
  const query = new URLSearchParams({ view: viewOf(panel), find: words, only: kind?.name ?? "" });
  const data = await load({ href: `${panel.querySelector("[data-find]").dataset.find}?${query}` });
  if (data.missing) showWindow(panel.getRootNode(), data.content);
  return data;
}

async function filter(panel) {
  const turn = (asked.get(panel) ?? 0) + 1;
  asked.set(panel, turn);
  const isLast = () => asked.get(panel) === turn;
  const words = panel.querySelector("#sigtr_filter").value.trim();
  const kind = chosen.get(panel);
  if (!words && !kind) return show(panel);
  const found = await find(panel, words, kind);
  if (found.missing || !isLast()) return undefined;
  const last = found.numbers.at(-1);
  while (last !== undefined && !bodyOf(panel, last) && isLast() && (await loadMore(panel)));
  return isLast() ? show(panel, found, kind) : undefined;
}

function show(panel, found, kind) {
  const shown = new Set(found?.numbers.map(String));
  for (const number of [...shown]) {
    const body = bodyOf(panel, number);
    if (body) for (const above of numbers(body)) shown.add(above);
  }
  for (const body of bodies(panel)) body.hidden = Boolean(found) && !shown.has(numberOf(body));
  const table = panel.querySelector(".sigtr-timeline");
  const controls = panel.querySelector(".sigtr-controls");
  panel.querySelector(".sigtr-section").classList.toggle("sigtr-filtered", Boolean(found));
  const only = panel.querySelector(".sigtr-only");
  only.hidden = !found;
  only.firstElementChild.textContent = kind?.text ?? "";
  const said = panel.querySelector(".sigtr-count");
  said.textContent = found
    ? said.dataset.text.replace("{shown}", found.numbers.length).replace("{all}", found.all)
    : "";
  if (found && table.getBoundingClientRect().top < controls.getBoundingClientRect().bottom) {
    panel.querySelector(".sigtr-section").scrollIntoView();
  }
}

function unfilter(panel) {
  chosen.delete(panel);
  panel.querySelector("#sigtr_filter").value = "";
  filter(panel);
}

async function choose(link, panel) {
  const kind = { name: new URL(link.href).searchParams.get("only"), text: link.textContent };
  const found = await find(panel, "", kind);
  if (found.missing) return;
  if (found.hidden) {
    openWindow(link, panel); // Some are in the rows of packages.
    return;
  }
  chosen.set(panel, kind);
  await filter(panel);
  panel.querySelector("#sigtr_timeline").scrollIntoView();
}

/* Only this project's, or all; remembered. */

const VIEW = "signal_tracer.view";

function remembered() {
  try {
    return localStorage.getItem(VIEW);
  } catch { // no storage here
    return null;
  }
}

async function look(link, panel) {
  const data = await load(link, "&placed=1");
  if (data.missing) {
    showWindow(panel.getRootNode(), data.content);
    return;
  }
  panel.querySelector(".sigtr-rows").innerHTML = data.inner;
  for (const each of panel.querySelectorAll(".sigtr-views > a")) {
    each.setAttribute("aria-current", each === link);
  }
  try {
    localStorage.setItem(VIEW, viewOf(panel));
  } catch { // no storage here
  }
  await filter(panel);
}

function onRender(root) {
  const panel = root.querySelector("#sigtr");
  const link = panel?.querySelector(`.sigtr-views > a[href$="view=${remembered()}"][aria-current="false"]`);
  if (link) look(link, panel);
}

/* Rows */

async function open(link) {
  const body = link.closest("tbody");
  const [prefix, number] = body.id.split("_");
  const cells = [...body.rows[0].cells];
  const row = body.insertRow();
  row.id = `${prefix}_d${number}`;
  row.className = `djSelected djToggleDetails_d${number}`;
  row.insertCell();
  const cell = row.insertCell();
  cell.colSpan = cells.slice(1).reduce((sum, each) => sum + each.colSpan, 0);
  const button = document.createElement("button");
  button.className = "djToggleSwitch";
  button.title = link.title;
  button.textContent = "-";
  button.dataset.toggleName = prefix;
  button.dataset.toggleId = `d${number}`;
  link.replaceWith(button);
  cell.innerHTML = (await load(link)).inner;
  return button;
}

async function reveal(panel, body) {
  if (body.hidden) unfilter(panel);
  for (const number of numbers(body)) {
    const button = foldOf(panel.querySelector(`#sigtr_${number}`));
    if (button?.textContent === "+") fold(panel, true, button);
  }
  panel.closest("#djDebug").querySelector("#djDebugWindow").classList.add("djdt-hidden");
  for (const row of panel.querySelectorAll("tr.djdt-highlighted")) {
    row.classList.remove("djdt-highlighted");
  }
  const row = body.rows[0];
  row.classList.add("djdt-highlighted");
  let toggle = row.cells[0].querySelector(":is(a, button)");
  if (toggle.localName === "a") toggle = await open(toggle);
  else if (toggle.textContent === "+") toggle.click();
  row.scrollIntoView({ block: "center" });
  toggle.focus({ preventScroll: true });
}

/* Links: true means that nothing of it goes into the toolbar's window. */

function follow(link, scope) {
  const query = new URL(link.href).searchParams;
  const panel = scope.closest("#djDebug").querySelector("#sigtr");
  if (query.has("row")) {
    if (query.has("from")) {
      load(link).then((data) => { link.parentElement.outerHTML = data.inner; });
      return true;
    }
    if (link.closest(".djdt-toggle")) {
      open(link);
      return true;
    }
    const body = panel?.querySelector(`#sigtr_${query.get("row")}`);
    if (body) reveal(panel, body);
    return Boolean(body);
  }
  if (scope !== panel) return false;
  if (query.has("sort")) return sort(link);
  if (query.has("outline")) {
    copy(link, panel);
    return true;
  }
  if (query.has("only")) {
    if (!panel.querySelector("#sigtr_timeline")) return false;
    choose(link, panel);
    return true;
  }
  if (query.has("about")) {
    load(link).then((data) => { link.outerHTML = data.inner; });
    return true;
  }
  const place = link.closest("[data-place]");
  if (place) {
    load(link).then((data) => { place.innerHTML = data.inner; });
    return true;
  }
  const heading = panel.querySelector("#sigtr_findings");
  if (query.has("findings") && !query.has("from") && heading) {
    heading.scrollIntoView();
    return true;
  }
  if (link.closest(".sigtr-views")) {
    look(link, panel);
    return true;
  }
  if (link.closest(".sigtr-more")) {
    loadMore(panel).then(() => filter(panel));
    return true;
  }
  return false;
}

/* The next rows; false if there are none. */
async function loadMore(panel) {
  const link = panel.querySelector(".sigtr-more > a");
  if (!link) return false;
  const data = await load(link, "&placed=1");
  if (data.missing) {
    showWindow(panel.getRootNode(), data.content);
    return false;
  }
  panel.querySelector(".sigtr-timeline").insertAdjacentHTML("beforeend", data.inner);
  link.parentElement.outerHTML = data.more;
  return true;
}

function sort(link) {
  const table = link.closest("table");
  if (!("whole" in table.dataset)) return false;
  const heading = link.closest("th");
  const orders = heading.matches(".sigtr-number") ? ["descending", "ascending"] : ["ascending", "descending"];
  const order = orders[heading.getAttribute("aria-sort") === orders[0] ? 1 : 0];
  for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", order);
  const value = (row) => row.cells[heading.cellIndex].dataset.value;
  const compare = (a, b) =>
    value(a) === undefined
      ? b.cells[0].textContent.localeCompare(a.cells[0].textContent)
      : value(b) - value(a);
  const rows = [...table.tBodies[0].rows].sort(compare);
  table.tBodies[0].append(...(order === "ascending" ? rows.reverse() : rows));
  return true;
}

async function copy(link, panel) {
  const data = await load(link);
  if (data.missing) {
    showWindow(panel.getRootNode(), data.content);
    return;
  }
  try {
    await navigator.clipboard.writeText(data.text);
    panel.querySelector(".sigtr-said").textContent = link.dataset.done;
  } catch { // no permission, or no secure context: then it is there to be copied by hand
    showWindow(panel.getRootNode(), data.content);
  }
}

/* Events */

function scopeOf(event) {
  const target = event.composedPath()[0];
  const scope = target instanceof Element ? target.closest(".sigtr") : null;
  if (scope) adopt(scope.getRootNode());
  return [target, scope];
}

function onClick(event) {
  const [target, scope] = scopeOf(event);
  if (!scope || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = target.closest("a.remoteCall");
  const button = target.closest("[data-do], .djToggleSwitch[data-toggle-id^='f']");
  if (link ? failed.has(link) : !button) return;
  event.preventDefault();
  event.stopPropagation();
  if (link && !follow(link, scope)) openWindow(link, scope);
  if (!button) return;
  if (button.dataset.do === "all") unfilter(scope);
  else if (button.dataset.do) fold(scope, button.dataset.do === "expand");
  else fold(scope, button.textContent === "+", button);
}

let typing;

function onInput(event) {
  const [target, scope] = scopeOf(event);
  if (!scope || target.id !== "sigtr_filter") return;
  clearTimeout(typing);
  typing = setTimeout(() => filter(scope), 150);
}

function onKeyDown(event) {
  const [target, scope] = scopeOf(event);
  if (scope && target.id === "sigtr_filter" && event.key === "Escape" && target.value) {
    event.stopImmediatePropagation(); // which would close the panel
    event.preventDefault();
    unfilter(scope);
  }
}

// The toolbar loads the script again with each panel it loads, under whatever address it has then.
const LOADED = Symbol.for("signal_tracer.panel");
if (!globalThis[LOADED]) {
  globalThis[LOADED] = true;
  sheet.replaceSync(navigator.clipboard ? STYLES + COPYING : STYLES);
  const root = document.getElementById("djDebugRoot")?.shadowRoot ?? document;
  adopt(root);
  root.addEventListener("djdt.panel.render", () => onRender(root), true); // It does not bubble.
  onRender(root);
  document.addEventListener("click", onClick, true);
  document.addEventListener("input", onInput, true);
  document.addEventListener("keydown", onKeyDown, true);
}
