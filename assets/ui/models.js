/* The Models tab: one card a model. What a model's author wrote is foreign text: it is drawn from nodes of our own, so
   that markup in it stays letters. */
"use strict";

window.dalleStudio.models = (() => {
  const { make, setText, announce, question, UNANSWERED } = window.dalleStudio.tools;
  const { t, roughly } = window.dalleWords;

  /* ---- the author's card: a little Markdown, as nodes ---- */

  const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|!?\[([^\]]*)\]\(([^)\s]*)[^)]*\)/g;

  function inline(text) {
    const parts = [];
    let at = 0;
    for (const found of text.matchAll(INLINE)) {
      parts.push(text.slice(at, found.index));
      const [whole, code, strong, label, address] = found;
      if (code) parts.push(make("code", { text: code }));
      else if (strong) parts.push(make("strong", { text: strong }));
      else if (!whole.startsWith("!")) parts.push(/^https?:\/\//.test(address) ? make("a", { href: address, target: "_blank", rel: "noopener noreferrer", text: label }) : label);
      at = found.index + whole.length;
    }
    return [...parts, text.slice(at)].filter(part => part !== "");
  }

  const cells = line => line.trim().replace(/^\||\|$/g, "").split("|").map(cell => cell.trim());

  function table(lines) {
    const [head, , ...rows] = lines.map(cells);
    const row = (tag, values) => make("tr", {}, ...values.map(value => make(tag, {}, ...inline(value))));
    return make("div", { class: "card-table", tabindex: 0, role: "group", "aria-label": t("Table") }, make("table", {}, make("thead", {}, row("th", head)), make("tbody", {}, ...rows.map(values => row("td", values)))));
  }

  function block(text) {
    const lines = text.split("\n");
    const heading = /^(#{1,6})\s+(.*)/.exec(lines[0]);
    if (heading) return [make(heading[1].length < 3 ? "h3" : "h4", {}, ...inline(heading[2])), ...(lines.length > 1 ? block(lines.slice(1).join("\n")) : [])];
    if (lines.length > 1 && /^\s*\|?[\s:|-]+\|[\s:|-]*$/.test(lines[1])) return [table(lines)];
    if (lines.every(line => /^\s*[-*] /.test(line))) return [make("ul", {}, ...lines.map(line => make("li", {}, ...inline(line.replace(/^\s*[-*] /, "")))))];
    const words = inline(lines.join(" "));
    return words.length ? [make("p", {}, ...words)] : [];
  }

  function markdown(text) {
    const blocks = text.replace(/\r/g, "").replace(/^---\n[^]*?\n---\n/, "").split(/\n\s*\n/).map(part => part.trim()).filter(Boolean);
    return blocks.flatMap(block);
  }

  class CardDialog {
    constructor() {
      this.body = make("div", { class: "card-text" });
      const close = make("button", { type: "button", class: "close", "aria-label": t("Close"), text: "×", onclick: () => this.node.close() });
      this.node = make("dialog", { class: "model-card", "aria-label": t("Model card") }, close, this.body);
      this.node.addEventListener("click", event => { if (event.target === this.node) this.node.close(); });
      document.body.append(this.node);
    }

    show(text) {
      this.body.replaceChildren(...markdown(text));
      this.node.showModal();
      this.node.scrollTop = 0;
    }
  }

  /* ---- the list ---- */

  class Shelf {
    constructor(element, server) {
      this.server = server;
      this.list = element.querySelector(".model-list");
      this.where = element.querySelector(".models-where");
      this.note = element.querySelector(".model-note");
      this.ranker = element.querySelector(".ranker");
      this.ranker.querySelector("select").addEventListener("change", event => this.rankBy(event.target));
      this.status = {};
      this.news = null;
    }

    /* News that came while the answer was on its way may be newer than it: what it says of the status gives way to them. */
    async ask(question, more) {
      const before = this.news;
      const answer = await this.server[question](more).catch(() => ({ error: UNANSWERED }));
      return this.news === before ? answer : { ...answer, status: this.news };
    }

    hear(status, visible) {
      this.news = status;
      if (status.model !== this.status.model && visible) this.load();
      else this.advance(status);
    }

    async load() {
      this.show(await this.ask("list_models", {}));
    }

    show(answer) {
      if (answer.error) return setText(this.note, t(answer.error));
      this.models = answer.models;
      setText(this.where, t("More models go into {folder}, each in a folder of its own.", { folder: answer.where }));
      this.offerRankers(answer);
      this.draw(answer.status);
    }

    /* Only where there is a choice. One that is asked for by a hub's name may lie elsewhere. */
    offerRankers({ rerankers, ranker }) {
      const names = [...new Set([...rerankers, ranker])].filter(Boolean);
      const select = this.ranker.querySelector("select");
      this.ranker.hidden = !names.length;
      select.replaceChildren(make("option", { value: "", text: t("what suits the model") }), ...names.map(name => make("option", { value: name, text: name })));
      select.value = ranker;
    }

    async rankBy(select) {
      select.disabled = true;
      setText(this.note, "");
      const answer = await this.ask("choose_reranker", { reranker: select.value });
      select.disabled = false;
      if (answer.error) await this.load();
      this.show(answer);
    }

    draw(status) {
      this.status = status;
      if (!this.models) return;
      this.list.replaceChildren(...this.models.map(model => this.card({ ...model, current: model.name === status.model })));
      setText(this.note, status.failed || status.state === "failed" ? t(status.detail) : "");
    }

    /* Only a bar moves: what a person may be reading or pressing stays. */
    advance(status) {
      const bar = this.list.querySelector(".model[data-state=loading] .bar i");
      if (bar && status.loading === this.status.loading && status.model === this.status.model) bar.style.transform = `scaleX(${status.share})`;
      else this.draw(status);
      this.status = status;
    }

    card(model) {
      const loading = this.status.loading === model.name || (model.current && this.status.state === "loading" && !this.status.loading);
      const failed = model.current && this.status.state === "failed";
      const state = model.problem ? "broken" : loading ? "loading" : failed ? "failed" : model.current ? "current" : "there";
      const badge = { broken: t("Cannot be used"), failed: t("Not loaded"), loading: t("Loading"), current: t("In use"), there: null }[state];
      const head = make("header", {}, make("h2", { text: model.name }), badge && make("span", { class: "badge", text: badge }));
      const facts = make("dl", { class: "facts" }, ...model.facts.flatMap(([name, value]) => [make("dt", { text: t(name) }), make("dd", { text: typeof value === "number" ? roughly(value) : t(value) })]));
      const bar = make("div", { class: "bar", role: "progressbar", "aria-label": t("Loading"), "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": this.status.share ?? 0, hidden: state !== "loading" }, make("i", { style: `transform: scaleX(${this.status.share ?? 0})` }));
      const choose = make("button", { type: "button", class: "quiet", text: t("Use for new pictures"), "aria-label": t("Use {name} for new pictures", model), onclick: () => this.choose(model) });
      choose.hidden = !model.paints || (state !== "there" && state !== "failed");
      choose.disabled = Boolean(this.status.loading);
      const open = make("button", { type: "button", class: "quiet", text: t("Model card"), "aria-label": t("Model card of {name}", model), hidden: !model.card, onclick: () => this.open(model) });
      const look = make("button", { type: "button", class: "quiet", text: t("Try a picture"), "aria-label": t("Try a picture with {name}", model), hidden: model.paints || Boolean(model.problem), onclick: () => window.dalleStudio.reconstruction(model, this.server) });
      const words = model.problem ? make("p", { class: "problem", text: t(model.problem) }) : make("p", { class: "about", text: model.about.map(part => t(part)).join(" · ") });
      const tight = make("p", { class: "problem", text: t("This may be more than the memory that is free."), hidden: !model.tight });
      return make("article", { class: "model", "data-state": state, "data-model": model.name }, head, words, bar, facts, tight, make("div", { class: "model-buttons" }, choose, look, open));
    }

    /* What may not fit is asked about first. */
    choose(model) {
      if (!model.tight) return this.use(model);
      const memory = model.facts.find(([name]) => name === "Memory")[1];
      const words = [t("Memory"), t(memory), t("This may be more than the memory that is free.")].join(" · ");
      return question(t("Use {name} for new pictures?", model), words, t("Use it"), t("Cancel"), () => this.use(model));
    }

    async use(model) {
      setText(this.note, "");
      const answer = await this.ask("choose_model", { model: model.name });
      this.show(answer);
      if (!answer.error) this.list.querySelector(`[data-model="${CSS.escape(model.name)}"] h2`)?.scrollIntoView({ block: "nearest" });
    }

    async open(model) {
      const answer = await this.ask("model_card", { model: model.name });
      if (answer.error) setText(this.note, t(answer.error));
      else (this.dialog ??= new CardDialog()).show(answer.card);
    }
  }

  return (element, { server }) => {
    const shelf = new Shelf(element, server);
    const offers = window.dalleStudio.offers(element, server, () => shelf.load());
    const visible = () => element.offsetParent !== null;
    announce.addEventListener("news", ({ detail }) => {
      if (detail.status) shelf.hear(detail.status, visible());
    });
    new IntersectionObserver(() => { if (visible()) { shelf.load(); offers.load(); } }).observe(element);
  };
})();
