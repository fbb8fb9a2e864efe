/* The page's language, and its words in it. The studio is written in English: an English text is itself the key of its
   translation, and one that has none stays readable. Runs before Gradio does, which follows what the browser says. */
"use strict";

window.dalleWords ??= (() => {
  const CHOICE = "dalle-studio-language";
  const LOCALES = { en: "en", zh: "zh-CN" };
  const given = JSON.parse(document.getElementById("dalle-words").textContent);
  const offered = Object.keys(LOCALES);
  const preferred = navigator.languages.map(tag => tag.slice(0, 2).toLowerCase()).find(tag => offered.includes(tag));
  const language = [chosen(), given.language, preferred].find(tag => offered.includes(tag)) ?? "en";
  const locale = navigator.languages.find(tag => tag.startsWith(LOCALES[language])) ?? LOCALES[language]; // en-GB has its own dates
  const translated = new Map(language === "en" ? [] : Object.entries({ ...given.words.page, ...given.words.studio }));
  const templates = Object.entries(given.words.studio).filter(([text]) => text.includes("{")).map(template);
  templates.sort((one, other) => other.letters - one.letters); // what says most of a sentence goes first

  document.documentElement.lang = LOCALES[language];
  Object.defineProperty(navigator, "language", { configurable: true, get: () => LOCALES[language] });
  Object.defineProperty(navigator, "languages", { configurable: true, get: () => [LOCALES[language]] });

  function chosen() {
    try { return localStorage.getItem(CHOICE); } catch { return null; } // storage may be switched off
  }

  function choose(tag) {
    try { localStorage.setItem(CHOICE, tag); } catch { /* the page opens in its default again */ }
    location.reload();
  }

  /* `text` in the page's language. With values it is a template of ours; without, it may also be a finished sentence. */
  function t(text, values) {
    const said = translated.get(text);
    if (said !== undefined) return fill(said, values);
    return values || !translated.size ? fill(text, values) : recognised(text);
  }

  function fill(template, values = {}) {
    return template.replace(/\{(\w+)(:words)?\}/g, (whole, name, words) =>
      !Object.hasOwn(values, name) ? whole : words ? t(String(values[name])) : String(values[name]));
  }

  /* The studio's messages come as English sentences, and the history keeps some of them so: the template that one was
     made from is found, and its values put into the translation. Facts in a row are separated by dots or semicolons. */
  function recognised(text) {
    if (text.includes(" · ")) return text.split(" · ").map(part => t(part)).join(" · ");
    for (const { pattern, names, said } of templates) {
      const found = pattern.exec(text);
      if (found) return fill(said, Object.fromEntries(names.map((name, i) => [name, found[i + 1]])));
    }
    return text.includes("; ") ? text.split("; ").map(part => t(part)).join("；") : text;
  }

  function template([text, said]) {
    const parts = text.split(/\{(\w+)\}/); // literal, name, literal, …
    const literals = parts.filter((_, i) => i % 2 === 0);
    const escaped = literals.map(part => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return { said, names: parts.filter((_, i) => i % 2), letters: literals.join("").length, pattern: new RegExp(`^${escaped.join("([^]+?)")}$`) };
  }

  /* Translates a widget's own markup, before anything of an artist's is in it. */
  function localize(element) {
    if (!translated.size) return;
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const [, before, text, after] = /^(\s*)([^]*?)(\s*)$/.exec(texts.currentNode.data);
      const words = text.replace(/\s+/g, " ");
      if (words) texts.currentNode.data = before + t(words) + after;
    }
    for (const name of ["placeholder", "aria-label", "title", "alt"]) {
      for (const node of element.querySelectorAll(`[${name}]`)) rename(node, name);
    }
  }

  function rename(node, name) {
    const words = node.getAttribute(name), said = t(words);
    if (said !== words) node.setAttribute(name, said);
  }

  /* What Gradio says by itself, whenever it comes up, is in English only: the names of a slider's parts, and messages. */
  const PARTS = "[aria-label^='number input for '], [aria-label^='range slider for ']";
  const MESSAGE = ".toast-body";

  function follow(changes) {
    const changed = new Set(changes.map(change => change.target).filter(node => node.nodeType === Node.ELEMENT_NODE));
    for (const node of changed) {
      if (node.matches(PARTS)) rename(node, "aria-label");
      for (const part of node.querySelectorAll(PARTS)) rename(part, "aria-label");
      const messages = node.closest(MESSAGE) ? [node.closest(MESSAGE)] : node.querySelectorAll(MESSAGE);
      for (const message of messages) localize(message);
    }
  }

  if (translated.size) {
    const what = { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label"] };
    new MutationObserver(follow).observe(document.documentElement, what);
  }

  function chooser(element) {
    const select = element.querySelector("select");
    select.value = language;
    select.addEventListener("change", () => choose(select.value));
  }

  const date = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
  const when = time => date.format(new Date(time));

  const number = new Intl.NumberFormat(locale).format;
  const magnitude = new Intl.NumberFormat(locale, { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 });

  /* A number of which only the size matters: 29.5 million, 2950 万. */
  const roughly = value => magnitude.format(value).replace(/(\d)(\p{Script=Han})/u, "$1 $2");

  return { t, when, number, roughly, localize, chooser, language, locale };
})();
