/* The places of the Gallery: everything, what is starred, the trash; collections, tags and saved searches, which are
   made, renamed, merged and deleted here. */
"use strict";

(() => {
  const { make, setText, toast, question, nameFor, menu, UNANSWERED } = window.dalleStudio.tools;
  const { t, number } = window.dalleWords;
  const FEW = 8; // tags shown before one asks for all

  class Places {
    /* `filters` decides where one is; `act` has changed() for what else shows collections and tags. */
    constructor(node, server, filters, act) {
      this.node = node;
      this.server = server;
      this.filters = filters;
      this.act = act;
      this.known = { collections: [], tags: [], searches: [], trashed: 0 };
      this.main = make("ul");
      this.sections = make("div", { class: "place-sections" });
      node.append(this.main, this.sections);
    }

    ask(question, asked) {
      return this.server[question](asked).catch(() => ({ error: UNANSWERED }));
    }

    async look() {
      const known = await this.ask("gallery_places", {});
      if (known.error) return;
      this.known = known;
      this.filters.names = Object.fromEntries(known.collections.map(({ id, name }) => [id, name]));
      this.filters.tell();
      this.draw();
    }

    /* ---- drawing ---- */

    draw() {
      const { values, narrowing } = this.filters;
      const { collections, tags, searches, trashed } = this.known;
      const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.place : null;
      this.main.replaceChildren(
        this.place("all", t("All pictures"), "", !values.trashed && !narrowing.length, {}),
        this.place("starred", t("Starred"), "", !values.trashed && String(narrowing) === "starred", { starred: true }),
        this.place("trash", t("Trash"), trashed || "", values.trashed, { trashed: true }),
      );
      const shown = this.allTags ? tags : tags.slice(0, FEW);
      this.sections.replaceChildren(
        this.section(t("Collections"), collections.map(one => this.collection(one)), make("button", { type: "button", class: "mini", text: "+", title: t("New collection"), "aria-label": t("New collection"), onclick: () => this.create() })),
        ...(tags.length ? [this.section(t("Tags"), shown.map(one => this.tag(one)), null, tags.length > FEW && this.rest(tags.length))] : []),
        ...(searches.length ? [this.section(t("Saved searches"), searches.map(one => this.search(one)))] : []),
      );
      if (focused) this.node.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
    }

    section(title, rows, tool = null, rest = null) {
      const list = rows.length ? make("ul", {}, ...rows) : make("p", { class: "none", text: t("None yet") });
      return make("section", {}, make("header", {}, make("h3", { text: title }), tool), list, rest || null);
    }

    rest(count) {
      return make("button", { type: "button", class: "link", text: this.allTags ? t("Fewer") : t("All {count} tags", { count }), onclick: () => { this.allTags = !this.allTags; this.draw(); } });
    }

    /* A row: where it leads, how much is there, and what can be done with it. */
    place(key, words, count, here, values, choices = null) {
      const go = make("button", { type: "button", class: "place", "data-place": key, "aria-current": here ? "true" : null, title: words, onclick: () => this.filters.become(values) }, make("span", { text: words }), make("small", { text: count === "" ? "" : number(count) }));
      const more = choices && make("button", { type: "button", class: "mini more-of", text: "⋯", "data-place": `more ${key}`, "aria-label": t("More for {name}", { name: words }), onclick: () => menu(more, choices) });
      return make("li", {}, go, more);
    }

    collection({ id, name, count }) {
      return this.place(`collection ${id}`, name, count, this.filters.values.collection_id === id, { collection_id: id }, [
        [t("Rename"), () => this.rename(id, name)],
        [t("Delete"), () => this.forget("delete_collection", { collection: id }, t("Delete the collection “{name}”?", { name }), t("Its pictures stay."), "collection_id", id)],
      ]);
    }

    tag({ tag, count }) {
      return this.place(`tag ${tag}`, tag, count, this.filters.values.tag === tag, { tag }, [
        [t("Rename"), () => this.renameTag(tag)],
        [t("Delete"), () => this.forget("delete_tag", { tag }, t("Take the tag “{tag}” off all pictures?", { tag }), t("The pictures stay."), "tag", tag)],
      ]);
    }

    search({ id, name }) {
      const row = this.place(`search ${id}`, name, "", false, {}, [
        [t("Delete"), () => this.forget("delete_search", { search: id }, t("Delete the saved search “{name}”?", { name }), t("What it finds stays.")) ],
      ]);
      row.firstChild.replaceWith(make("button", { type: "button", class: "place", "data-place": `search ${id}`, title: name, onclick: () => this.open(id) }, make("span", { text: name })));
      return row;
    }

    /* ---- what is done with them ---- */

    create(images = []) {
      nameFor(t("New collection"), t("Name"), "", t("Make it"), async name => {
        const answer = await this.ask("new_collection", { name, images });
        if (answer.error) return t(answer.error);
        if (images.length) toast.show(t("Added to “{name}”.", { name }));
        await this.changed();
      });
    }

    rename(collection, name) {
      nameFor(t("Rename “{name}”", { name }), t("Name"), name, t("Rename"), async wanted => {
        const other = this.known.collections.find(one => one.name === wanted && one.id !== collection);
        if (other) return this.merge(t("Put “{name}” and “{other}” together?", { name, other: wanted }), () => this.ask("rename_collection", { collection, name: wanted, merge: true }), { collection_id: other.id });
        const answer = await this.ask("rename_collection", { collection, name: wanted });
        if (answer.error) return t(answer.error);
        await this.changed();
      });
    }

    renameTag(tag) {
      nameFor(t("Rename the tag “{tag}”", { tag }), t("Tag"), tag, t("Rename"), async name => {
        const rename = () => this.ask("rename_tag", { tag, name });
        if (this.known.tags.some(one => one.tag === name && name !== tag)) return this.merge(t("Put “{name}” and “{other}” together?", { name: tag, other: name }), rename, { tag: name });
        const answer = await rename();
        if (answer.error) return t(answer.error);
        if (this.filters.values.tag === tag) this.filters.set({ tag: answer.tag });
        await this.changed();
      });
    }

    /* Once two are one, nobody can tell which picture was where. */
    merge(title, join, place) {
      question(title, t("Then nothing tells which pictures were in which."), t("Put together"), t("Leave them"), async () => {
        const answer = await join();
        if (answer.error) return t(answer.error);
        this.filters.become(place);
        await this.changed();
      });
    }

    forget(how, what, title, words, filter = null, value = null) {
      question(title, words, t("Delete"), t("Leave it"), async () => {
        const answer = await this.ask(how, what);
        if (answer.error) return t(answer.error);
        if (filter && this.filters.values[filter] === value) this.filters.set({ [filter]: "" });
        await this.changed();
      });
    }

    async open(search) {
      const answer = await this.ask("open_search", { search });
      if (answer.error) toast.show(t(answer.error));
      else this.filters.become(answer.filters);
    }

    save() {
      const { query, tag } = this.filters.values;
      nameFor(t("Save this search"), t("Name"), query || tag, t("Save"), async name => {
        const answer = await this.ask("save_search", { name, filters: this.filters.values });
        if (answer.error) return t(answer.error);
        await this.changed();
      });
    }

    async changed() {
      await this.look();
      this.act.changed();
    }
  }

  window.dalleStudio.Places = Places;
})();
