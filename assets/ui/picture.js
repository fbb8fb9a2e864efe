/* The picture dialog: one picture, large, with its words, what it is filed under, its family and what can be done with it.
   Opens from any grid. Other scripts add their actions to `dialog.actions` before it first opens. */
"use strict";

(() => {
  const { tools } = window.dalleStudio;
  const { make, setText, original, shown, announce, calm, copyText, scoreWords, toast, keys, UNANSWERED } = tools;
  const { t, when } = window.dalleWords;

  const dialog = {
    /* In the order they are shown. `run` gets the dialog, whose `details` are the picture's; `show`, if any, is called
       with the button whenever a picture is shown; `key` does the same as the button. In the trash only those that last. */
    actions: [
      { text: "Star", key: "s", run: dialog => dialog.mark({ starred: !dialog.details.starred }), show: (button, { details }) => {
        button.setAttribute("aria-pressed", String(details.starred));
        setText(button, details.starred ? t("★ Starred") : t("☆ Star"));
      } },
      { text: "Use settings", run: dialog => dialog.reuse("useSettings"), show: forPainted },
      { text: "Use prompt", run: dialog => dialog.reuse("usePrompt"), show: forPainted },
      { text: "Use seed", run: dialog => dialog.reuse("useSeed"), show: forPainted },
      { text: "Copy recipe", run: dialog => dialog.copy(), show: forPainted },
      { text: "Paint it again", run: dialog => dialog.reproduce(), title: "Paints this one picture again from its recipe and compares.", show: (button, shown) => {
        forPainted(button, shown);
        button.setAttribute("aria-disabled", String(Boolean(shown.details.again && !shown.details.again.final))); // and keeps the focus
      } },
      { text: "Pixels", key: "p", title: "Shows the pixels that are in the file. Else a small picture is shown larger, with clean edges.", run: dialog => { dialog.pixels = !dialog.pixels; dialog.fill(dialog.details); }, show: (button, { pixels, details }) => {
        button.setAttribute("aria-pressed", String(Boolean(pixels)));
        button.hidden ||= !details.enlarged;
      } },
      { text: "Keep", run: dialog => dialog.mark({ kept: !dialog.details.kept }), show: (button, { details }) => setText(button, details.kept ? t("Don't keep") : t("Keep")), title: "Kept pictures are in the history and stay when the rest is cleared away." },
      { text: "Move to the trash", key: "Delete", lasts: true, run: dialog => dialog.trash(), show: (button, { details }) => setText(button, details.trashed ? t("Restore") : t("Move to the trash")) },
    ],

    /* `ids` may grow while the dialog is open; `context.more` is asked for more of them, `context.closed` is told. */
    open(ids, at, context) {
      Object.assign(this, { ids, at, context });
      this.build();
      this.show();
      if (!this.node.open) this.node.showModal();
    },

    build() {
      if (this.node) return;
      const part = name => (this[name] = make("p", { class: name }));
      this.buttons = this.actions.map(action => make("button", { type: "button", class: "action", text: t(action.text), title: action.title && t(action.title), onclick: () => this.act(action) }));
      this.image = make("img", { alt: "" });
      this.facts = make("dl", { class: "facts" });
      this.save = make("a", { class: "action primary", text: t("Save"), download: true });
      this.said = make("span", { class: "said", role: "status" });
      this.back = make("button", { type: "button", class: "turn back", "aria-label": t("Previous picture"), text: "‹", onclick: () => this.turn(-1) });
      this.next = make("button", { type: "button", class: "turn next", "aria-label": t("Next picture"), text: "›", onclick: () => this.turn(1) });
      const close = make("button", { type: "button", class: "close", "aria-label": t("Close"), text: "×", onclick: () => this.node.close() });
      const actions = make("div", { class: "buttons" }, this.save, ...this.buttons);
      this.compared = make("p", { class: "compared", role: "status" });
      this.labels = make("div", { class: "labels" });
      this.family = make("div", { class: "family", hidden: true });
      const words = make("div", { class: "words-side" }, make("h2", { class: "prompt", id: "picture-prompt" }), part("match"), part("seed"), this.labels, this.facts, this.compared, actions, this.said);
      this.stage = make("div", { class: "stage" }, this.image, this.back, this.next);
      this.node = make("dialog", { class: "picture", "aria-labelledby": "picture-prompt" }, this.stage, words, this.family, close);
      this.listen();
      document.body.append(this.node);
    },

    listen() {
      this.node.addEventListener("click", event => { if (event.target === this.node) this.node.close(); });
      this.node.addEventListener("keydown", event => this.pressed(event));
      this.node.addEventListener("close", () => this.context.closed?.(this.ids[this.at]));
      announce.addEventListener("news", ({ detail }) => {
        if (this.node.open && detail.jobs.some(job => job.id === this.details?.again?.job)) this.refresh();
      });
    },

    pressed(event) {
      if (!keys.plain(event)) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const action = this.actions.find(({ key }) => key && key.toLowerCase() === event.key.toLowerCase());
      if (step) this.turn(step);
      else if (action && !event.repeat) this.act(action);
      else return;
      event.preventDefault();
    },

    /* What is asked for before anything is known of the picture is done as soon as it is. */
    act(action) {
      if (!this.details) this.wanted = action;
      else if (!this.buttonOf(action).hidden) action.run(this);
    },

    buttonOf(action) {
      return this.buttons[this.actions.indexOf(action)];
    },

    turn(step) {
      const to = this.at + step;
      if (to < 0 || to >= this.ids.length) return;
      this.at = to;
      this.show();
    },

    /* Whether there is one before and one after, as far as is known by now. */
    turns() {
      if (!this.node?.open) return;
      this.back.disabled = this.at === 0;
      this.next.disabled = this.at >= this.ids.length - 1;
    },

    async show() {
      const id = this.ids[this.at];
      this.back.disabled = this.at === 0;
      this.next.disabled = this.at >= this.ids.length - 1;
      if (this.next.disabled) this.context.more?.();
      this.details = this.wanted = null;
      this.look();
      this.save.href = `${original(id)}?download=1`;
      for (const part of [this.facts, this.labels, this.family]) part.replaceChildren();
      this.family.hidden = true;
      for (const field of [this.said, this.match, this.seed, this.compared, this.node.querySelector(".prompt")]) setText(field, "");
      await this.refresh();
    },

    /* Small pictures are shown larger, with clean edges; on demand, the pixels that are in the file. */
    look() {
      const pixels = this.pixels && this.details?.enlarged !== false, id = this.ids[this.at];
      const source = (pixels ? original : shown)(id);
      if (this.image.getAttribute("src") !== source) this.image.src = source; // else it would be loaded again
      this.image.dataset.pixels = String(pixels);
    },

    refresh() {
      return this.ask("picture_details", {});
    },

    /* The answer to any question about the shown picture is its details. */
    async ask(question, more) {
      const id = this.ids[this.at];
      const details = await this.context.server[question]({ image: id, ...more }).catch(() => ({ error: UNANSWERED }));
      if (id === this.ids[this.at]) this.fill(details);
    },

    mark(marks) {
      return this.ask("mark_picture", marks).then(() => announce.dispatchEvent(new CustomEvent("marked", { detail: this.details })));
    },

    async reproduce() {
      if (this.details.again && !this.details.again.final) return;
      const answer = await this.context.server.reproduce_picture({ image: this.ids[this.at] }).catch(() => ({ error: UNANSWERED }));
      if (answer.error) return setText(this.said, t(answer.error));
      await this.refresh();
    },

    /* The next picture takes its place; the toast brings it back. */
    async trash() {
      const { server } = this.context, id = this.ids[this.at];
      const ask = (question, asked) => server[question](asked).catch(() => ({ error: UNANSWERED }));
      if (this.details.trashed) return this.restore(await ask("restore_pictures", { images: [id] }));
      const { error, count, batch } = await ask("trash_pictures", { images: [id] });
      if (error) return setText(this.said, t(error));
      if (!count) return setText(this.said, t("A picture with a star is not moved to the trash. Take the star off first."));
      this.leave(id);
      toast.show(t("{pictures} moved to the trash.", { pictures: t("{count} picture", { count: 1 }) }), t("Undo"), async () => this.restore(await ask("restore_pictures", { batch })));
    },

    restore(answer) {
      if (answer.error) return toast.show(t(answer.error));
      announce.dispatchEvent(new Event("back"));
      if (this.node.open) this.refresh();
    },

    leave(id) {
      announce.dispatchEvent(new CustomEvent("gone", { detail: [id] }));
      if (this.ids.includes(id)) this.ids = this.ids.filter(other => other !== id);
      this.at = Math.min(this.at, this.ids.length - 1);
      if (this.at < 0) this.node.close();
      else this.show();
    },

    /* Nothing is known of the picture that is to be shown, so nothing can be done with it. */
    lost({ error, code }) {
      const words = code === "not_found" ? "This picture is not there any more." : error;
      setText(this.node.querySelector(".prompt"), t(words));
      this.image.alt = "";
      for (const button of [this.save, ...this.buttons]) button.hidden = true;
    },

    fill(details) {
      if (details.error) return this.details ? setText(this.said, t(details.error)) : this.lost(details);
      const before = this.details;
      this.details = details;
      this.image.alt = details.prompt || t("Without words");
      this.look();
      setText(this.node.querySelector(".prompt"), this.image.alt);
      setText(this.match, matchWords(details));
      setText(this.seed, details.seed ? t("Seed {seed}", details) : "");
      setText(this.compared, t(details.again?.words ?? ""));
      this.compared.dataset.identical = String(Boolean(details.again?.identical));
      this.save.hidden = false;
      this.actions.forEach((action, i) => {
        this.buttons[i].hidden = details.trashed && !action.lasts;
        action.show?.(this.buttons[i], this);
      });
      const facts = [...details.facts, [details.foreign ? t("Imported") : t("Painted"), when(details.painted)]];
      this.facts.replaceChildren(...facts.flatMap(([name, value]) => [make("dt", { text: t(name) }), make("dd", { text: name === "Without" ? value : t(value) })]));
      window.dalleStudio.labels.draw(this);
      if (!before) window.dalleStudio.lineage.draw(this);
      const { wanted } = this;
      this.wanted = null;
      if (wanted) this.act(wanted);
    },

    reuse(how) {
      this.context.send[how](this.ids[this.at]);
      this.node.close();
      scrollTo({ top: 0, behavior: calm() ? "auto" : "smooth" });
    },

    async copy() {
      if (!this.details) return;
      const copied = await copyText(this.details.recipe, this.node);
      setText(this.said, copied ? t("Recipe copied.") : t("The browser did not allow copying."));
    },
  };

  /* A picture from elsewhere has no recipe to use. */
  function forPainted(button, { details }) {
    button.hidden ||= details.foreign;
  }

  function matchWords({ match, rank, of, ranked, foreign }) {
    if (foreign) return t("From elsewhere");
    if (!match) return t("Not ranked");
    return [rank && t("Rank {rank} of {of}", { rank, of }), scoreWords(match), t(match.words), t(ranked)].filter(Boolean).join(" · ");
  }

  tools.dialog = dialog;
})();
