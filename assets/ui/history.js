/* The History tab: a shelf of everything painted, a page at a time, and the room it takes. */
"use strict";

window.dalleStudio.history = (() => {
  const { make, setText, thumbnail, announce, dialog, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;
  const PAUSE = 220; // ms after the last key before the history is asked

  const counted = (count, one, more) => t(count === 1 ? one : more, { count });
  const pictures = count => counted(count, "{count} picture", "{count} pictures");
  const matches = count => counted(count, "{count} picture matches", "{count} pictures match");
  const candidates = count => counted(count, "{count} candidate", "{count} candidates");

  class Shelf {
    constructor(element, context) {
      this.context = context;
      this.form = element.querySelector("form");
      this.shelf = element.querySelector(".shelf");
      this.count = element.querySelector(".history-count");
      this.note = element.querySelector(".history-note");
      this.more = element.querySelector(".more");
      this.shown = [];
      this.asked = 0;
      this.form.addEventListener("submit", event => { event.preventDefault(); this.load(null); });
      this.form.addEventListener("input", () => this.later());
      this.more.addEventListener("click", () => this.load(this.next));
    }

    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.load(null), PAUSE);
    }

    /* Pictures older than `before`, or the newest in place of what is shown. */
    async load(before) {
      const question = ++this.asked;
      clearTimeout(this.timer);
      this.shelf.setAttribute("aria-busy", "true");
      const query = this.form.query.value.trim();
      const asking = { query, everything: this.form.everything.checked, before };
      const page = await this.context.server.picture_page(asking).catch(() => ({ error: UNANSWERED }));
      if (question !== this.asked) return;
      this.shelf.setAttribute("aria-busy", "false");
      if (page.error) return this.say(t(page.error));
      if (!before) this.begin(page, query);
      this.shown.push(...page.images.map(picture => picture.image));
      this.shelf.append(...page.images.map(picture => this.card(picture)));
      this.next = page.next;
      this.more.hidden = !page.next;
    }

    begin(page, query) {
      this.shelf.replaceChildren();
      this.shown.length = 0;
      setText(this.count, page.total ? (query ? matches : pictures)(page.total) : "");
      if (page.images.length) this.say("");
      else if (page.hidden) this.say(t("Not kept, but there: {candidates}.", { candidates: candidates(page.hidden) }), "Show every candidate", () => this.form.everything.click());
      else if (query) this.say(t("Nothing matches “{query}”. Try fewer or other words.", { query }), "Show all", () => { this.form.query.value = ""; this.load(null); });
      else this.say(t("Nothing here yet. Everything you paint is kept here, and found again by its words."));
    }

    say(text, offer, act) {
      const button = offer ? make("button", { type: "button", class: "quiet", text: t(offer), onclick: act }) : null;
      this.note.replaceChildren(...(text ? [make("p", { text, role: "status" }), button].filter(Boolean) : []));
    }

    card(picture) {
      const open = () => dialog.open([...this.shown], this.shown.indexOf(picture.image), this.context);
      const label = picture.starred ? `★ ${picture.prompt}` : picture.prompt;
      return make("button", { type: "button", class: "card", title: picture.prompt, "aria-label": t("{label}. Open", { label: picture.starred ? t("{label}, starred", { label: picture.prompt }) : picture.prompt }), onclick: open },
        make("img", { src: thumbnail(picture.image), alt: "", loading: "lazy", decoding: "async", draggable: "false" }), make("span", { text: label }));
    }
  }

  /* How much room the history takes, and a way to get some back that asks with numbers first. */
  class Room {
    constructor(element, context, cleared) {
      this.context = context;
      this.cleared = cleared;
      this.words = element.querySelector(".history-space span");
      this.opener = element.querySelector(".history-space button");
      this.opener.addEventListener("click", () => this.ask());
    }

    async look() {
      this.show(await this.context.server.history_space({}).catch(() => ({ error: UNANSWERED })));
    }

    show(space) {
      this.space = space;
      setText(this.words, t(space.error ?? space.words));
      this.opener.hidden = !space.question;
      setText(this.opener, t("Clear away {candidates}", { candidates: candidates(space.unkept ?? 0) }));
    }

    async ask() {
      await this.look(); // the numbers a person agrees to are those of now
      if (!this.space.question) return;
      this.build();
      setText(this.title, t(this.space.question));
      setText(this.gain, t(this.space.gain));
      this.node.showModal();
    }

    build() {
      if (this.node) return;
      this.title = make("h2", { id: "purge-title" });
      this.gain = make("p", { class: "offer-words" });
      this.yes = make("button", { type: "button", class: "action primary", text: t("Delete them"), onclick: () => this.purge() });
      const no = make("button", { type: "button", class: "action", text: t("Leave them"), autofocus: true, onclick: () => this.node.close() });
      this.node = make("dialog", { class: "offer", "aria-labelledby": "purge-title" }, this.title, this.gain, make("div", { class: "buttons" }, no, this.yes));
      document.body.append(this.node);
    }

    async purge() {
      this.yes.disabled = true;
      const space = await this.context.server.purge_unkept({ upTo: this.space.upTo }).catch(() => ({ error: UNANSWERED }));
      this.yes.disabled = false;
      this.node.close();
      this.show(space);
      this.cleared();
    }
  }

  return (element, context) => {
    const shelf = new Shelf(element, context);
    const room = new Room(element, context, () => shelf.load(null));
    const visible = () => element.offsetParent !== null;
    let stale = true;
    const refresh = () => {
      stale = false;
      shelf.later();
      room.look();
    };
    for (const event of ["finished", "marked"]) announce.addEventListener(event, () => { stale = true; if (visible()) refresh(); });
    new IntersectionObserver(() => { if (visible() && stale) refresh(); }).observe(element);
  };
})();
