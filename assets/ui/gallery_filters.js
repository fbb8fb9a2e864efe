/* What the Gallery shows: the search, the panel of filters, and a chip for each one that is on. Knows the filters'
   names as the studio has them, and no pictures. */
"use strict";

(() => {
  const { make, setText, panel } = window.dalleStudio.tools;
  const { t, number } = window.dalleWords;
  const NONE = { query: "", starred: false, kinds: [], models: [], styles: [], tag: "", collection_id: "", since: null, until: null, min_percentile: null, like: "", everything: false, trashed: false };
  const KINDS = { generate: "From a prompt", complete: "Completed", variation: "Variation", import: "Imported", reproduce: "Painted again" };
  const LISTS = [["kinds", "Made how"], ["models", "Model"], ["styles", "Style"]];
  const DAY = 24 * 3600 * 1000;
  const date = new Intl.DateTimeFormat(window.dalleWords.locale, { dateStyle: "medium" });

  const kindWords = kind => t(KINDS[kind] ?? kind);
  const valueWords = (list, value) => (list === "kinds" ? kindWords(value) : value || t("none"));

  /* Days are the reader's; moments go to the studio. Until is the first moment that is too late. */
  const moment = (day, plus = 0) => (day ? new Date(new Date(`${day}T00:00`).getTime() + plus).toISOString() : null);
  const dayOf = (time, minus = 0) => {
    if (!time) return "";
    const there = new Date(new Date(time).getTime() - minus);
    const two = number => String(number).padStart(2, "0");
    return `${there.getFullYear()}-${two(there.getMonth() + 1)}-${two(there.getDate())}`;
  };

  class Filters {
    /* `act` has changed(), facets(), save() and typed(); `chips` is where what is on is told. */
    constructor(button, chips, act) {
      this.button = button;
      this.chips = chips;
      this.act = act;
      this.values = { ...NONE };
      this.names = {}; // of collections, by id
      button.addEventListener("click", () => this.open());
    }

    /* The names of what is set, the trash aside. */
    get narrowing() {
      return Object.keys(NONE).filter(name => name !== "trashed" && JSON.stringify(this.values[name]) !== JSON.stringify(NONE[name]));
    }

    /* Anything not named is as nobody set it. */
    become(values) {
      this.values = { ...NONE, ...values };
      this.tell();
      this.act.changed();
    }

    /* Whatever is set, words that were typed a moment ago stay. */
    set(values) {
      this.become({ ...this.values, ...this.act.typed(), ...values });
    }

    /* ---- chips: what is on, each with a way to turn it off ---- */

    tell() {
      const { starred, tag, collection_id: collection, since, until, min_percentile: share, like, everything } = this.values;
      const on = [
        starred && [t("Starred"), { starred: false }],
        ...LISTS.flatMap(([list]) => this.values[list].map(value => [valueWords(list, value), { [list]: this.values[list].filter(other => other !== value) }])),
        tag && [t("Tag {tag}", { tag }), { tag: "" }],
        collection && [this.names[collection] ?? t("Collection"), { collection_id: "" }],
        since && [t("From {date}", { date: date.format(new Date(since)) }), { since: null }],
        until && [t("Until {date}", { date: date.format(new Date(new Date(until) - DAY)) }), { until: null }],
        share !== null && [t("Beats {share}% or more", { share }), { min_percentile: null }],
        like && [t("One stack"), { like: "" }],
        everything && [t("Every candidate"), { everything: false }],
      ].filter(Boolean);
      const focused = this.chips.contains(document.activeElement);
      this.chips.replaceChildren(...on.map(([words, off]) => make("button", { type: "button", class: "chip on", "aria-label": t("Remove the filter {filter}", { filter: words }), onclick: () => this.set(off) }, make("span", { text: words }), make("span", { class: "off", text: "×", "aria-hidden": "true" }))));
      if (on.length > 1) this.chips.append(make("button", { type: "button", class: "link", text: t("Clear all"), onclick: () => this.become({ trashed: this.values.trashed }) }));
      this.chips.hidden = !on.length;
      if (focused) (this.chips.querySelector("button") ?? this.button).focus();
      this.button.classList.toggle("on", on.length > 0);
    }

    /* ---- the panel ---- */

    async open() {
      this.build();
      this.show();
      this.panel.show();
      const facets = await this.act.facets();
      if (!facets.error) this.list(facets);
    }

    build() {
      if (this.panel) return;
      const tick = (name, words) => {
        const box = make("input", { type: "checkbox", name, onchange: () => this.set({ [name]: box.checked }) });
        return make("label", { class: "tick" }, box, make("span", { text: t(words) }));
      };
      const day = (name, words, give) => make("label", {}, make("span", { text: t(words) }), make("input", { type: "date", name, onchange: ({ target }) => this.set({ [name]: give(target.value) }) }));
      this.lists = Object.fromEntries(LISTS.map(([list]) => [list, make("div", { class: "chip-row" })]));
      this.share = make("input", { type: "range", min: 0, max: 95, step: 5, oninput: () => this.shareWords(), onchange: () => this.set({ min_percentile: Number(this.share.value) || null }) });
      this.said = make("b");
      this.ticks = make("div", { class: "ticks" }, tick("starred", "Starred only"), tick("everything", "Show every candidate"));
      this.days = make("div", { class: "days" }, day("since", "From", value => moment(value)), day("until", "Until", value => moment(value, DAY)));
      const save = make("button", { type: "button", class: "quiet", text: t("Save this search"), onclick: () => { this.panel.hide(); this.act.save(); } });
      const clear = make("button", { type: "button", class: "quiet", text: t("Clear all"), onclick: () => { this.become({ trashed: this.values.trashed }); this.show(); } });
      const groups = LISTS.map(([list, words]) => make("section", {}, make("h3", { text: t(words) }), this.lists[list]));
      const score = make("label", { class: "slide" }, make("span", {}, make("span", { text: `${t("Score")} ` }), this.said), this.share);
      this.panel = panel(this.button, make("div", { class: "filter-panel", role: "group", "aria-label": t("Filter") }, this.ticks, ...groups, this.days, score, make("div", { class: "panel-foot" }, clear, save)));
    }

    show() {
      for (const box of this.ticks.querySelectorAll("input")) box.checked = this.values[box.name];
      const [since, until] = this.days.querySelectorAll("input");
      since.value = dayOf(this.values.since);
      until.value = dayOf(this.values.until, DAY);
      this.share.value = this.values.min_percentile ?? 0;
      this.shareWords();
      for (const row of Object.values(this.lists)) for (const chip of row.children) this.press(chip);
    }

    shareWords() {
      setText(this.said, Number(this.share.value) ? t("beats {share}% of random pairs or more", { share: this.share.value }) : t("any"));
    }

    list(facets) {
      for (const [list] of LISTS) {
        const chip = ([value, count]) => make("button", { type: "button", class: "chip", "data-list": list, "data-value": value, onclick: ({ currentTarget }) => this.flip(list, value, currentTarget) }, make("span", { text: valueWords(list, value) }), make("small", { text: ` ${number(count)}` }));
        const there = facets[list] ?? [];
        this.lists[list].replaceChildren(...there.map(chip));
        this.lists[list].parentElement.hidden = there.length < 2 && !this.values[list].length;
      }
      this.show();
    }

    flip(list, value, chip) {
      const on = this.values[list];
      this.set({ [list]: on.includes(value) ? on.filter(other => other !== value) : [...on, value] });
      this.press(chip);
    }

    press(chip) {
      chip.setAttribute("aria-pressed", String(this.values[chip.dataset.list].includes(chip.dataset.value)));
    }
  }

  Object.assign(window.dalleStudio, { Filters, kindWords });
})();
