/* What a prompt template becomes: how many variations, the first of them, which one Paint takes; and the buttons that
   turn a plain prompt into a template. The server reads the prompt; nothing of its grammar is known here. */
"use strict";

(() => {
  const { make, setText, promptBox, fillPrompt, whenThere, announce, UNANSWERED } = dalleStudio.tools;
  const { t } = dalleWords;
  const PAUSE = 250; // ms after the last key before the studio is asked
  let marked = 0, markedOf = ""; // the variation that Paint takes, and of which prompt

  class Varying {
    constructor(element, { server, paintGrid }) {
      this.server = server;
      this.box = element.querySelector(".expansions");
      this.count = element.querySelector(".expansions-count");
      this.list = this.box.querySelector(".chip-row");
      this.grid = element.querySelector(".as-grid");
      this.wrong = element.querySelector(".varying-error");
      this.wildcards = element.querySelector(".wildcard-list");
      this.unlearned = new dalleStudio.Unlearned(element.querySelector(".unlearned"));
      dalleStudio.names(element, server, (name, spaced) => this.insert(name, spaced));
      this.opener = element.querySelector(".wildcards");
      this.asked = 0;
      this.grid.addEventListener("click", paintGrid);
      this.opener.addEventListener("click", () => this.showWildcards());
      for (const button of element.querySelectorAll("[data-by]")) button.addEventListener("click", () => this.vary(button.dataset.by));
      for (const moment of ["input", "compositionend"]) document.addEventListener(moment, event => { if (event.target === promptBox() && !event.isComposing) this.later(); });
      announce.addEventListener("news", ({ detail }) => this.follow(detail.status));
      whenThere(promptBox, () => this.look());
    }

    /* Another model has learned other words. */
    follow(status) {
      if (status?.state !== "ready" || status.model === this.model) return;
      this.model = status.model;
      this.prompt = undefined;
      this.look();
    }

    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(), PAUSE);
    }

    async look() {
      const prompt = promptBox()?.value ?? "";
      if (prompt === this.prompt) return;
      this.prompt = prompt;
      marked = 0;
      const question = ++this.asked;
      const answer = prompt.trim() ? await this.ask(prompt) : {};
      if (question !== this.asked) return;
      this.show(answer);
      this.unlearned.show(answer);
    }

    /* Of a prompt without marks the studio has only words to tell, which can wait. */
    ask(prompt) {
      const unanswered = /[{}]|__/.test(prompt) ? { error: UNANSWERED } : {};
      return this.server.read_prompt({ prompt }).catch(() => unanswered);
    }

    show({ error = "", several = false, count, shown, more, painted, drawn, time }) {
      setText(this.wrong, t(error));
      this.wrong.hidden = !error;
      this.box.hidden = !several;
      if (!several) return;
      setText(this.count, t("{count} variations. Paint takes the marked one.", { count }));
      this.list.replaceChildren(...shown.map((text, number) => this.chip(text, number)));
      if (more) this.list.append(make("span", { class: "and-more", text: "…" }));
      this.mark(0);
      const label = drawn ? "Paint {painted} of them, drawn, as a grid" : "Paint all {painted} as a grid";
      setText(this.grid, [t(label, { painted }), time && t(time)].filter(Boolean).join(" · "));
    }

    chip(text, number) {
      return make("button", { type: "button", class: "chip variation", text: text || "—", title: text, onclick: () => this.mark(number) });
    }

    mark(number) {
      [marked, markedOf] = [number, this.prompt];
      this.list.querySelectorAll(".chip").forEach((chip, i) => chip.setAttribute("aria-pressed", String(i === number)));
    }

    async vary(by) {
      const prompt = promptBox()?.value.trim() ?? "";
      if (!prompt) return this.show({ error: "Write a prompt first; this makes it vary." });
      const answer = await this.server.vary_prompt({ prompt, by }).catch(() => ({ error: UNANSWERED }));
      if (answer.error) return this.show(answer);
      fillPrompt(answer.prompt);
      this.look();
    }

    async showWildcards() {
      const open = this.wildcards.hidden;
      this.opener.setAttribute("aria-expanded", String(open));
      this.wildcards.hidden = !open;
      if (!open) return;
      const answer = await this.server.list_wildcards({}).catch(() => ({ error: UNANSWERED }));
      if (answer.error) return this.wildcards.replaceChildren(make("p", { text: t(answer.error) }));
      const files = t("Each text file in this folder is a wildcard, one choice a line:");
      const where = make("p", {}, `${files} `, make("code", { text: answer.folder }));
      const names = answer.wildcards.map(({ name, words }) => make("button", { type: "button", class: "chip", text: `__${name}__`, title: t(words), onclick: () => this.insert(`__${name}__`) }));
      const none = names.length ? null : make("p", { text: t("None yet. A file animals.txt there is written __animals__ in a prompt.") });
      this.wildcards.replaceChildren(where, none ?? make("div", { class: "chip-row" }, ...names));
    }

    insert(name, spaced = true) {
      const box = promptBox();
      if (!box) return;
      const [start, end] = [box.selectionStart ?? box.value.length, box.selectionEnd ?? box.value.length];
      const before = box.value.slice(0, start), after = box.value.slice(end);
      const put = `${spaced && /[^\s{|]$/.test(before) ? " " : ""}${name}`;
      fillPrompt(`${before}${put}${spaced && /^[\p{L}\p{N}]/u.test(after) ? " " : ""}${after}`);
      box.setSelectionRange(start + put.length, start + put.length);
      this.look();
    }
  }

  dalleStudio.varying = (element, context) => new Varying(element, context);
  dalleStudio.markedVariation = () => (promptBox()?.value === markedOf ? marked : 0);
})();
