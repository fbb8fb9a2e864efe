/* The Gallery tab: everything ever made, found again, looked at, put in order. Joins the shelf, the filters, the places,
   the selection's bar and the import, each of which is a file of its own. */
"use strict";

window.dalleStudio.gallery = (() => {
  const { make, setText, announce, dialog, toast, question, keys, remember, recalled, UNANSWERED } = window.dalleStudio.tools;
  const { Shelf, Filters, Places, SelectionBar, Actions, Importing } = window.dalleStudio;
  const { t, number } = window.dalleWords;
  const PAUSE = 160; // ms after the last key before the studio is asked
  const MOST = 5000; // pictures that are asked about at once
  const RARELY = 20; // times as long as measuring took, it is left alone
  const STACKED = "dalle-studio-stacked";

  const counted = (count, one, more) => t(count === 1 ? one : more, { count: number(count) });
  const candidates = count => counted(count, "{count} candidate", "{count} candidates");
  const countWords = (total, narrowed, stacked, over = false) =>
    over ? counted(total, "", stacked ? "More than {count} stacks" : "More than {count} pictures match") :
    stacked ? counted(total, "{count} stack", "{count} stacks")
      : narrowed ? counted(total, "{count} picture matches", "{count} pictures match")
        : counted(total, "{count} picture", "{count} pictures");

  class Gallery {
    constructor(element, { server, send }) {
      const find = selector => element.querySelector(selector);
      Object.assign(this, { element, server, form: find("form"), count: find(".history-count"), note: find(".history-note"), stack: find("input[name=stacked]"), fresh: find(".fresh"), empty: find(".empty-trash"), drawer: find(".places-open"), asked: 0 });
      this.context = { server, send, more: () => this.more(), closed: id => this.returned(id) };
      this.shelf = new Shelf(find(".shelf"), {
        open: id => this.open(id), more: () => this.more(), all: () => this.selectAll(),
        changed: ids => this.bar?.show(ids, this.filters.values.trashed), pressed: (event, id) => this.pressed(event, id),
      });
      this.filters = new Filters(find(".filter-open"), find(".filter-chips"), { changed: () => this.narrowed(), facets: () => this.ask("gallery_facets", { filters: this.filters.values }, true), save: () => this.places.save(), typed: () => ({ query: this.form.query.value.trim() }) });
      this.places = new Places(find(".places"), server, this.filters, { changed: () => {} });
      this.actions = new Actions((...asked) => this.ask(...asked), this);
      this.bar = new SelectionBar(this);
      element.querySelector(".gallery").append(this.bar.node);
      this.importing = new Importing(find(".import-open"), element.querySelector(".gallery"), () => this.back());
      const free = target => (this.shelf.selected.size || this.filters.values.trashed ? null : target.closest(".card"));
      new window.dalleStudio.variations.MoreLike(find(".gallery-main"), words => toast.show(words), free);
      this.room = new Room(element, server, () => this.load());
      this.listen();
    }

    listen() {
      this.form.addEventListener("submit", event => { event.preventDefault(); this.search(); });
      this.form.query.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.search(), PAUSE); });
      this.stack.checked = recalled(STACKED, false);
      this.stack.addEventListener("change", () => { remember(STACKED, this.stack.checked); this.narrowed(); });
      this.fresh.addEventListener("click", () => { scrollTo({ top: 0 }); this.load(); });
      this.empty.addEventListener("click", () => this.actions.purge(null));
      this.element.querySelector(".keys-open").addEventListener("click", () => keys.show());
      this.drawer.addEventListener("click", () => this.unfold(!this.element.querySelector(".places").classList.contains("open")));
    }

    unfold(open) {
      this.element.querySelector(".places").classList.toggle("open", open);
      this.drawer.setAttribute("aria-expanded", String(open));
    }

    get visible() {
      return this.element.offsetParent !== null;
    }

    /* What went wrong is told here, unless whoever asks tells it. */
    async ask(question, asked, quiet = false) {
      const answer = await this.server[question](asked).catch(() => ({ error: UNANSWERED }));
      if (!answer.error || quiet) return answer;
      toast.show(t(answer.error));
      return null;
    }

    /* ---- pages ---- */

    search() {
      clearTimeout(this.timer);
      const query = this.form.query.value.trim();
      if (query !== this.filters.values.query) this.filters.set({ query });
    }

    /* The filters are others now. */
    narrowed() {
      clearTimeout(this.timer);
      const { query, trashed, like } = this.filters.values;
      if (this.form.query.value.trim() !== query) this.form.query.value = query;
      this.shelf.select([]);
      this.unfold(false);
      this.places.draw();
      this.empty.hidden = !trashed;
      this.element.querySelector(".stack-choice").hidden = trashed || Boolean(like);
      if (this.form.getBoundingClientRect().top < 0) this.form.scrollIntoView();
      this.load();
    }

    get stacked() {
      const { trashed, like } = this.filters.values;
      return this.stack.checked && !trashed && !like;
    }

    page(before) {
      return this.ask("gallery_page", { filters: this.filters.values, before, stacked: this.stacked }, true);
    }

    async load() {
      const question = ++this.asked;
      this.shelf.node.setAttribute("aria-busy", "true");
      const page = await this.page(null);
      if (question !== this.asked) return;
      this.shelf.node.setAttribute("aria-busy", "false");
      this.fresh.hidden = true;
      if (page.error) return this.say(t(page.error));
      this.next = page.next;
      this.tell(page);
      this.shelf.fill(page.images, page.over ? null : page.total);
    }

    /* An answer that was asked for before something changed tells how it was before: it is asked for again. */
    outdate() {
      if (this.shelf.node.getAttribute("aria-busy") === "true") this.load();
    }

    async more() {
      if (!this.next || this.reading) return;
      const question = this.asked;
      this.reading = true;
      const page = await this.page(this.next);
      this.reading = false;
      if (question !== this.asked) return;
      this.next = page.error ? null : page.next;
      if (page.error) toast.show(t(page.error));
      else this.shelf.add(page.images);
      dialog.turns();
    }

    tell({ images, total, over, hidden }) {
      const { query, trashed } = this.filters.values, { narrowing } = this.filters;
      this.empty.disabled = !total;
      setText(this.count, total ? countWords(total, narrowing.length > 0, this.stacked, over) : "");
      if (images.length) this.say("");
      else if (trashed) this.say(t("The trash is empty."));
      else if (hidden) this.say(t("Not kept, but there: {candidates}.", { candidates: candidates(hidden) }), "Show every candidate", () => this.filters.set({ everything: true }));
      else if (query) this.say(t("Nothing matches “{query}”. Try fewer or other words.", { query }), "Show all", () => this.filters.become({}));
      else if (narrowing.length) this.say(t("No picture is like this."), "Show all", () => this.filters.become({}));
      else this.say(t("Nothing here yet. Everything you paint is kept here, and found again by its words."));
    }

    say(text, offer, act) {
      const button = offer ? make("button", { type: "button", class: "quiet", text: t(offer), onclick: act }) : null;
      this.note.replaceChildren(...(text ? [make("p", { text, role: "status" }), button].filter(Boolean) : []));
    }

    /* The history has something new. Whoever looks at older pictures, or has chosen some, is not moved. */
    changed() {
      this.places.look();
      this.room.look();
      const busy = this.shelf.node.getBoundingClientRect().top < -200 || this.shelf.selected.size || dialog.node?.open;
      return busy && this.shelf.ids.length ? this.offer() : this.load();
    }

    /* Something was marked, filed or thrown away, here or in another window. */
    async heard() {
      this.late = dialog.node?.open || this.importing.busy || this.hearing; // whoever turns pages is not moved
      if (this.late) return;
      this.hearing = true;
      await this.hear();
      this.hearing = false;
      if (this.late && !dialog.node?.open) this.heard(); // and what came meanwhile
    }

    async hear() {
      const question = this.asked, ids = this.shelf.ids.slice(0, MOST);
      const answer = ids.length ? await this.ask("standing_pictures", { images: ids, trashed: this.filters.values.trashed }, true) : {};
      if (answer.standing && question === this.asked) this.keep(ids, answer.standing);
      await this.changed();
    }

    /* Of these pictures only those stay that are there still. */
    keep(ids, standing) {
      const gone = ids.filter(id => !(id in standing) && this.shelf.pictures.has(id));
      for (const [id, starred] of Object.entries(standing)) if (this.isStarred(id) !== starred) this.shelf.update(id, { starred });
      if (gone.length) this.shelf.remove(gone);
    }

    async offer() {
      const question = this.asked, page = await this.page(null);
      if (question === this.asked) this.fresh.hidden = Boolean(page.error) || page.images[0]?.image === this.shelf.ids[0];
    }

    /* ---- one picture ---- */

    open(id) {
      if (this.shelf.pictures.get(id).stack > 1) return this.filters.set({ like: id });
      dialog.open(this.shelf.ids, this.shelf.ids.indexOf(id), this.context);
    }

    returned(id) {
      if (this.late) this.heard();
      const place = this.shelf.ids.indexOf(id);
      if (place >= 0 && this.visible) this.shelf.focus(place);
    }

    pressed(event, id) {
      const key = event.key.toLowerCase(), ids = this.shelf.selected.size ? [...this.shelf.selected] : [id];
      const { trashed } = this.filters.values;
      if (key === "escape" && this.filters.values.like) this.filters.set({ like: "" });
      else if (trashed) return;
      else if (key === "s") this.actions.star(ids);
      else if (key === "v") this.actions.vary(id);
      else if (key === "c") this.actions.complete(id);
      else if (key === "delete" || key === "backspace") this.actions.trash(ids);
      else return;
      event.preventDefault();
    }

    /* ---- many ---- */

    async selectAll() {
      if (!this.next) return this.shelf.select(this.shelf.ids);
      const answer = await this.ask("select_pictures", { filters: this.filters.values, stacked: this.stacked });
      if (answer) this.shelf.select(answer.images);
    }

    allStarred(ids) {
      return ids.length > 0 && ids.every(id => this.isStarred(id));
    }

    starred(ids, starred) {
      for (const id of ids) this.shelf.update(id, { starred });
      if (!starred && this.filters.values.starred) return this.gone(ids);
      this.bar.show([...this.shelf.selected], false);
      this.outdate();
    }

    marked({ image, starred }) { // in the dialog
      this.shelf.update(image, { starred });
      this.outdate();
    }

    isStarred(id) {
      return Boolean(this.shelf.pictures.get(id)?.starred);
    }

    /* These are not here any more; null stands for all of them. Where it were others, the shelf is read anew. */
    gone(ids, count = ids?.length) {
      this.places.look();
      this.room.look();
      if (ids === null || count !== ids.length || this.shelf.ids.length <= ids.length) return this.load();
      this.shelf.remove(ids);
      this.outdate();
      if (this.shelf.total !== null) setText(this.count, countWords(this.shelf.total, this.filters.narrowing.length > 0, this.stacked));
    }

    back() {
      this.places.look();
      this.load();
    }

    filed() {
      this.places.look();
      const { tag, collection_id: collection, query } = this.filters.values;
      if (tag || collection || query) this.load();
    }
  }

  /* How much room the history takes, and a way to get some back that asks with numbers first. */
  class Room {
    constructor(element, server, cleared) {
      Object.assign(this, { server, cleared, words: element.querySelector(".history-space span"), opener: element.querySelector(".history-space button") });
      this.opener.addEventListener("click", () => this.ask());
    }

    /* All files are measured, which takes its time where there are many: then it is done the less often. */
    look() {
      clearTimeout(this.timer);
      const wait = Math.max(0, (this.ready ?? 0) - Date.now());
      this.timer = setTimeout(() => this.measure(), wait);
    }

    async measure() {
      const began = Date.now();
      this.ready = Infinity;
      this.show(await this.server.history_space({}).catch(() => ({ error: UNANSWERED })));
      this.ready = Date.now() + RARELY * (Date.now() - began);
    }

    show(space) {
      this.space = space;
      setText(this.words, t(space.error ?? space.words));
      this.opener.hidden = !space.question;
      setText(this.opener, t("Clear away {candidates}", { candidates: candidates(space.unkept ?? 0) }));
    }

    async ask() {
      await this.measure(); // the numbers a person agrees to are those of now
      if (!this.space.question) return;
      question(t(this.space.question), t(this.space.gain), t("Delete them"), t("Leave them"), async () => {
        const space = await this.server.purge_unkept({ upTo: this.space.upTo }).catch(() => ({ error: UNANSWERED }));
        if (space.error) return t(space.error);
        this.show(space);
        this.cleared();
      });
    }
  }

  return (element, context) => {
    const gallery = new Gallery(element, context);
    let stale = true;
    const refresh = () => { stale = false; gallery.changed(); };
    announce.addEventListener("finished", () => { stale = true; if (gallery.visible) refresh(); });
    announce.addEventListener("news", ({ detail }) => {
      if (!detail.gallery) return;
      if (gallery.visible) gallery.heard();
      else stale = true;
    });
    announce.addEventListener("marked", ({ detail }) => { if (detail) gallery.marked(detail); });
    announce.addEventListener("gone", ({ detail }) => gallery.gone(detail)); // from the dialog
    announce.addEventListener("back", () => gallery.back());
    announce.addEventListener("filed", () => gallery.places.look());
    new IntersectionObserver(() => {
      if (!gallery.visible) return;
      if (stale) refresh();
      gallery.shelf.draw();
    }).observe(element);
  };
})();
