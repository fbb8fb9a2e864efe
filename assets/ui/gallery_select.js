/* The bar at the foot of the Gallery while pictures are selected: what can be done with all of them at once. */
"use strict";

(() => {
  const { make, setText, toast, question, panel } = window.dalleStudio.tools;
  const { t, number } = window.dalleWords;
  const SUGGESTED = 12;

  const pictures = count => t(count === 1 ? "{count} picture" : "{count} pictures", { count: number(count) });

  class SelectionBar {
    /* `gallery` has what is selected, and does what is asked. */
    constructor(gallery) {
      this.gallery = gallery;
      this.count = make("b", { role: "status" });
      const button = (text, act, kind = "") => make("button", { type: "button", class: `quiet ${kind}`, text: t(text), onclick: event => act(event.currentTarget) });
      const { actions } = gallery;
      this.star = button("Star", () => actions.star(this.ids));
      this.compare = button("Compare", () => actions.compare(this.ids));
      this.vary = button("Vary", () => actions.vary(this.ids[0]));
      this.usual = [
        this.star,
        button("Add to collection", opener => this.choose(opener)),
        button("Tag", opener => this.tag(opener)),
        this.compare,
        this.vary,
        button("Download", () => actions.download(this.ids)),
        button("Export", () => window.dalleStudio.exports.open(this.ids)),
        button("Trash", () => actions.trash(this.ids)),
      ];
      this.trashed = [button("Restore", () => actions.restore(this.ids)), button("Delete for good", () => actions.purge(this.ids), "grave")];
      const none = make("button", { type: "button", class: "mini", text: "×", "aria-label": t("Select nothing"), onclick: () => gallery.shelf.select([]) });
      this.buttons = make("div", { class: "bar-buttons", role: "toolbar", "aria-label": t("Selected pictures") }, ...this.usual, ...this.trashed);
      this.node = make("div", { class: "selection-bar", hidden: true }, none, this.count, this.buttons);
    }

    show(ids, trashed) {
      const lost = !ids.length && this.node.contains(document.activeElement);
      this.ids = ids;
      this.node.hidden = !ids.length;
      document.body.classList.toggle("above-bar", ids.length > 0); // a :has() would look at every span again as cards come and go
      if (lost) this.gallery.shelf.focus(this.gallery.shelf.places.get(this.gallery.shelf.active) ?? 0);
      setText(this.count, ids.length ? t("{count} selected", { count: number(ids.length) }) : "");
      for (const button of this.usual) button.hidden = trashed;
      for (const button of this.trashed) button.hidden = !trashed;
      this.compare.hidden = trashed || ids.length !== 2;
      this.vary.hidden = trashed || ids.length !== 1;
      setText(this.star, this.gallery.allStarred(ids) ? t("Unstar") : t("Star"));
    }

    /* ---- into a collection ---- */

    choose(opener) {
      const { places, actions, filters } = this.gallery;
      const here = filters.values.collection_id;
      const row = (words, act) => make("button", { type: "button", text: words, onclick: () => { shown.hide(); act(); } });
      const rows = places.known.collections.filter(one => one.id !== here).map(one => row(one.name, () => actions.collect(this.ids, one)));
      const take = here ? [row(t("Take out of this collection"), () => actions.uncollect(this.ids, here))] : [];
      const shown = panel(opener, make("div", { class: "menu" }, ...rows, ...take, row(t("New collection"), () => places.create(this.ids))), { above: true });
      shown.show();
    }

    /* ---- tags ---- */

    tag(opener) {
      const { places, actions } = this.gallery;
      const input = make("input", { type: "text", maxlength: 100, autocomplete: "off", placeholder: t("A tag") });
      const use = (act, tag) => { if (tag) { shown.hide(); actions[act](this.ids, tag); } };
      const add = make("button", { type: "submit", class: "quiet", text: t("Add") });
      const take = make("button", { type: "button", class: "quiet", text: t("Take off"), onclick: () => use("untag", input.value.trim()) });
      const known = places.known.tags.slice(0, SUGGESTED).map(({ tag }) => make("button", { type: "button", class: "chip", text: tag, onclick: () => { input.value = tag; input.focus(); } }));
      const form = make("form", { class: "tag-form" }, make("label", {}, make("span", { text: t("Tag of {pictures}", { pictures: pictures(this.ids.length) }) }), input), make("div", { class: "chip-row" }, ...known), make("div", { class: "panel-foot" }, take, add));
      form.addEventListener("submit", event => { event.preventDefault(); use("tag", input.value.trim()); });
      const shown = panel(opener, form, { above: true });
      shown.show();
    }
  }

  /* ---- what is done with pictures, wherever they are chosen; each tells what became of it ---- */

  class Actions {
    /* `ask(question, asked)` answers or has told what went wrong; `told` has what the page does afterwards. */
    constructor(ask, told) {
      this.ask = ask;
      this.told = told;
    }

    async star(ids, starred = !this.told.allStarred(ids)) {
      const answer = await this.ask("star_pictures", { images: ids, starred });
      if (answer) this.told.starred(ids, starred);
    }

    async trash(ids) {
      const answer = await this.ask("trash_pictures", { images: ids });
      if (!answer) return;
      const spared = answer.protected ? ` ${t("{pictures} with a star stayed.", { pictures: pictures(answer.protected) })}` : "";
      const words = answer.count ? t("{pictures} moved to the trash.", { pictures: pictures(answer.count) }) : t("Nothing was moved.");
      toast.show(words + spared, t("Undo"), answer.count ? () => this.bringBack(answer.batch) : null);
      this.told.gone(ids.filter(id => !this.told.isStarred(id)), answer.count);
    }

    async bringBack(batch) {
      const answer = await this.ask("restore_pictures", { batch });
      if (!answer) return;
      toast.show(t("{pictures} brought back.", { pictures: pictures(answer.count) }));
      this.told.back();
    }

    async restore(ids) {
      const answer = await this.ask("restore_pictures", { images: ids });
      if (!answer) return;
      toast.show(t("{pictures} brought back.", { pictures: pictures(answer.count) }));
      this.told.gone(ids);
    }

    /* Null stands for everything in the trash. */
    purge(ids) {
      const title = ids ? t("Delete {pictures} for good?", { pictures: pictures(ids.length) }) : t("Empty the trash?");
      question(title, t("Files and all that is known of them go. It cannot be undone."), t("Delete for good"), t("Leave them"), async () => {
        const answer = await this.ask("purge_pictures", ids ? { images: ids } : { all: true }, true);
        if (answer.error) return t(answer.error);
        toast.show(t("{pictures} deleted.", { pictures: pictures(answer.count) }));
        this.told.gone(ids);
      });
    }

    async collect(ids, { id, name }) {
      if (!await this.ask("collect_pictures", { images: ids, collection: id })) return;
      toast.show(t("Added to “{name}”.", { name }));
      this.told.filed();
    }

    async uncollect(ids, collection) {
      if (!await this.ask("uncollect_pictures", { images: ids, collection })) return;
      toast.show(t("Taken out of the collection."), t("Undo"), async () => { if (await this.ask("collect_pictures", { images: ids, collection })) this.told.back(); });
      this.told.gone(ids);
    }

    async tag(ids, tag) {
      const answer = await this.ask("tag_pictures", { images: ids, tag });
      if (!answer) return;
      toast.show(t("Tagged “{tag}”.", { tag: answer.tag }));
      this.told.filed();
    }

    async untag(ids, tag) {
      const answer = await this.ask("untag_pictures", { images: ids, tag });
      if (!answer) return;
      toast.show(t("The tag “{tag}” is off.", { tag: answer.tag }));
      this.told.filed();
    }

    /* The studio notes which pictures; the browser then fetches them as any other file. */
    async download(ids) {
      const answer = await this.ask("prepare_zip", { images: ids });
      if (!answer) return;
      const link = make("a", { href: `media/zip/${encodeURIComponent(answer.zip)}`, download: true, hidden: true });
      document.body.append(link);
      link.click();
      link.remove();
    }

    compare([one, other]) {
      window.dalleStudio.compare.open(one, other, this.told.context);
    }

    complete(id) {
      this.told.context.send.completeFrom(id);
    }

    async vary(id) {
      const error = await window.dalleStudio.variations.start(id);
      toast.show(t(error || "Variations are queued. They appear under Variations."));
    }
  }

  Object.assign(window.dalleStudio, { SelectionBar, Actions });
})();
