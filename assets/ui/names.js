/* What the model knows: its names, to be searched and put into the prompt, and the words of a prompt that it never
   learned, with what may have been meant. The studio knows the words; here they are shown. */
"use strict";

(() => {
  const { make, setText, promptBox, fillPrompt, UNANSWERED } = dalleStudio.tools;
  const { t, language } = dalleWords;
  const PAUSE = 150; // ms after the last key before the studio is asked
  const SEPARATOR = language === "zh" ? "、" : ", ";
  const CHINESE = /[\u3400-\u9fff]/;

  /* A list that opens below the prompt. A name that is chosen goes where the caret is. */
  function names(element, server, insert) {
    const opener = element.querySelector(".names"), list = element.querySelector(".name-list");
    const search = list.querySelector("input"), row = list.querySelector(".chip-row"), said = list.querySelector("p");
    let asked = 0, timer = 0;

    async function look(first = 0) {
      const question = ++asked, query = search.value;
      const answer = await server.find_names({ query, first }).catch(() => ({ error: UNANSWERED }));
      if (question !== asked) return;
      const { names: found, more, count, error } = answer;
      if (error) return setText(said, t(error));
      if (!first) row.replaceChildren();
      const focused = row.contains(document.activeElement);
      row.querySelector(".more-names")?.remove();
      const added = (found ?? []).map(chip);
      row.append(...added);
      if (more) row.append(make("button", { type: "button", class: "link more-names", text: t("More"), onclick: () => look(row.querySelectorAll(".chip").length) }));
      if (focused) added[0]?.focus();
      setText(said, !found ? t("This model does not say which words it has learned.") : found.length ? t("{count} things it can paint. Others are left to chance.", { count }) : t("Nothing by that name."));
    }

    function chip(name) {
      const [text, other] = language === "zh" ? [name.zh, name.en] : [name.en, name.zh];
      return make("button", { type: "button", class: "chip", text, title: other === text ? "" : other, onclick: () => insert(text, !CHINESE.test(text)) });
    }

    opener.addEventListener("click", () => {
      const open = list.hidden;
      opener.setAttribute("aria-expanded", String(open));
      list.hidden = !open;
      if (!open) return;
      search.focus();
      look();
    });
    for (const moment of ["input", "compositionend"]) search.addEventListener(moment, event => {
      clearTimeout(timer);
      if (!event.isComposing) timer = setTimeout(look, PAUSE);
    });
    list.addEventListener("keydown", event => {
      if (event.key !== "Escape" || event.isComposing) return;
      opener.click();
      opener.focus();
    });
  }

  class Unlearned {
    constructor(box) {
      this.box = box;
    }

    show({ unlearned: words = [], others = false, limits = [] }) {
      this.box.hidden = !words.length && !limits.length;
      const listed = words.flatMap(({ word }, i) => [i ? SEPARATOR : " ", make("b", { text: word })]);
      const told = words.length ? [make("p", {}, t("The model has not learned:"), ...listed, ...(others ? [SEPARATOR, "…"] : []))] : [];
      const helped = words.filter(({ word, near }) => near.length && places(word).test(promptBox()?.value ?? ""));
      this.box.replaceChildren(...told, ...helped.map(each => this.line(each)), ...limits.map(text => make("p", { text: t(text) })));
    }

    line({ word, near }) {
      const others = near.map(name => make("button", { type: "button", class: "chip", text: name, "aria-label": t("{name} instead of {word}", { name, word }), onclick: () => this.replace(word, name) }));
      return make("p", { class: "chip-row" }, t("Instead of {word}:", { word }), ...others);
    }

    replace(word, name) {
      const box = promptBox();
      if (!box) return;
      const an = /^(?!uni|eu|ewe)[aeiou]/i.test(name) ? "an" : "a", several = /[^s]s$/.test(name);
      fillPrompt(box.value.replace(places(word), (_, article) => (article && !several ? `${article[0]}${an.slice(1)} ` : "") + name));
    }
  }

  /* Where a word stands in a prompt, not as a part of another, with the article before it; in Chinese anywhere. */
  function places(word) {
    const said = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return CHINESE.test(word) ? new RegExp(`()${said}`) : new RegExp(`(?<![\\p{L}\\p{N}-])(?:(an?) )?(?<![\\p{L}\\p{N}-])${said}(?![\\p{L}\\p{N}-])`, "giu");
  }

  Object.assign(dalleStudio, { names, Unlearned });
})();
