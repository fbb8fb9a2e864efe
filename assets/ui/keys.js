/* Keys that work all over the page, and the sheet that tells of every key. None does anything while someone types,
   but Ctrl+Enter, which paints, and Esc, which leaves the field. */
"use strict";

(() => {
  const { tools } = window.dalleStudio;
  const { make } = tools;
  const { t } = window.dalleWords;
  const FIELDS = "textarea, select, [contenteditable=true], input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=submit])";
  const SHEET = [
    ["Pictures", [
      [["←", "→", "↑", "↓"], "Go from picture to picture"],
      [["Enter"], "Open"],
      [["Space", "X"], "Select"],
      [["Shift", "↓"], "Select more"],
      [["Ctrl", "A"], "Select all"],
      [["Esc"], "Select nothing"],
    ]],
    ["Selected or open picture", [
      [["S"], "Star"],
      [["V"], "Vary"],
      [["C"], "Complete from here"],
      [["P"], "Show the pixels of a small picture"],
      [["Del"], "Move to the trash"],
      [["Ctrl", "Z"], "Bring back what was just moved"],
    ]],
    ["Anywhere", [
      [["/"], "Search"],
      [["?"], "Show these keys"],
      [["Ctrl", "Enter"], "Paint"],
      [["Esc"], "Close, or leave a field"],
    ]],
  ];

  const typing = event => Boolean(event.target.matches?.(FIELDS));
  const plain = event => !typing(event) && !event.defaultPrevented && !event.ctrlKey && !event.altKey && !event.metaKey;

  let sheet = null;

  function build() {
    const rows = rows => rows.map(([keys, words]) => make("div", {}, make("dt", {}, ...keys.map(text => make("kbd", { text: t(text) }))), make("dd", { text: t(words) })));
    const groups = SHEET.map(([title, keys]) => make("section", {}, make("h3", { text: t(title) }), make("dl", {}, ...rows(keys))));
    const close = make("button", { type: "button", class: "close", "aria-label": t("Close"), text: "×", autofocus: true, onclick: () => sheet.close() });
    sheet = make("dialog", { class: "offer keys", "aria-labelledby": "keys-title" }, make("h2", { id: "keys-title", text: t("Keys") }), make("div", { class: "key-groups" }, ...groups), close);
    document.body.append(sheet);
  }

  function show() {
    if (!sheet) build();
    if (!sheet.open) sheet.showModal();
  }

  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && typing(event) && !event.target.closest("dialog, [popover]")) return event.target.blur();
    if (!plain(event)) return;
    if (event.key === "?") show();
    if (event.key !== "/" || document.querySelector("dialog[open]")) return;
    const search = [...document.querySelectorAll(".search input[type=search]")].find(input => input.offsetParent);
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  tools.keys = { typing, plain, show };
})();
