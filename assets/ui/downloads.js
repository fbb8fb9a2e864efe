/* Public models on the Models tab: what can be had, its licence before anything is fetched, and how far it is. The studio
   fetches; this page only asks and looks, so that it may be closed meanwhile. */
"use strict";

window.dalleStudio.offers = (() => {
  const { make, setText, question, toast, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;
  const LOOK_MS = 600; // between two looks while something is fetched

  class Offers {
    /* `arrived` is called when a model has come. */
    constructor(element, server, arrived) {
      this.server = server;
      this.arrived = arrived;
      this.node = element.querySelector(".public-models");
      this.list = element.querySelector(".offer-list");
      this.note = element.querySelector(".offers-note");
      this.running = "";
      this.drawn = "";
    }

    async call(question, more = {}) {
      const answer = await this.server[question](more).catch(() => ({ error: UNANSWERED }));
      if (!answer.error) this.show(answer);
      return answer.error ? t(answer.error) : "";
    }

    async load() {
      setText(this.note, await this.call("list_offers"));
    }

    show({ offers, running }) {
      this.node.hidden = !offers.length;
      const came = offers.some(({ name }) => name === this.running) ? null : this.known?.find(({ name }) => name === this.running);
      this.running = running;
      this.known = offers;
      this.draw(offers);
      if (came) this.welcome(came);
      clearTimeout(this.timer);
      if (running) this.timer = setTimeout(() => this.look(), LOOK_MS);
    }

    welcome(offer) {
      toast.show(offer.ranks ? t("{title} is here. From now on it ranks what the models that it suits paint.", offer) : t("{title} is here and can be used.", offer));
      this.arrived();
    }

    look() {
      if (this.node.offsetParent !== null && !document.hidden) this.load();
      else this.timer = setTimeout(() => this.look(), LOOK_MS);
    }

    /* Only bar and words move while nothing else has changed: what a person may be reading or pressing stays. */
    draw(offers) {
      const still = JSON.stringify(offers.map(offer => [offer.name, offer.running, offer.failure, offer.heavy, offer.running ? "" : offer.fetched]));
      if (still !== this.drawn) this.list.replaceChildren(...offers.map(offer => this.card(offer)));
      this.drawn = still;
      for (const offer of offers.filter(({ running }) => running)) {
        const card = this.list.querySelector(`[data-offer="${CSS.escape(offer.name)}"]`);
        card.querySelector(".bar i").style.transform = `scaleX(${offer.share})`;
        card.querySelector(".bar").setAttribute("aria-valuenow", String(Math.round(100 * offer.share)));
        setText(card.querySelector(".offer-progress"), t(offer.words));
      }
    }

    card(offer) {
      const { title, running, fetched, failure } = offer;
      const bar = make("div", { class: "bar", role: "progressbar", "aria-label": t("Download of {title}", offer), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0, hidden: !running }, make("i", { style: "transform: scaleX(0)" }));
      const progress = make("p", { class: "offer-progress", hidden: !running && !fetched, text: running ? "" : t("{size} of it are here.", { size: fetched }) });
      const failed = make("p", { class: "problem", role: "alert", text: t(failure), hidden: !failure });
      const warnings = running ? [] : this.warnings(offer);
      return make("article", { class: "model", "data-offer": offer.name, "data-state": running ? "loading" : "there" }, make("header", {}, make("h3", { text: title })), make("p", { class: "about", text: t(offer.about) }), bar, progress, this.facts(offer), failed, ...warnings, this.buttons(offer));
    }

    facts(offer) {
      return make("dl", { class: "facts" }, ...offer.facts.flatMap(([name, value]) => [make("dt", { text: t(name) }), make("dd", { text: t(value) })]));
    }

    /* Of what this machine has too little. */
    warnings({ tight, heavy }) {
      const words = [tight && t("The disk has not enough room for this."), heavy && t("This may be more than the memory that is free.")];
      return words.filter(Boolean).map(text => make("p", { class: "problem", text }));
    }

    buttons(offer) {
      const { title, running, fetched } = offer;
      const button = (text, label, press, shown) => make("button", { type: "button", class: "quiet", text, "aria-label": label, onclick: press, hidden: !shown });
      const begin = button(fetched ? t("Go on") : t("Download"), fetched ? t("Go on with the download of {title}", { title }) : t("Download {title}", { title }), () => this.begin(offer), !running);
      begin.disabled = Boolean(this.running);
      const stop = button(t("Stop"), t("Stop the download of {title}", { title }), () => this.act("stop_download", offer), running);
      const discard = button(t("Discard"), t("Discard what was fetched of {title}", { title }), () => this.discard(offer), !running && fetched);
      return make("div", { class: "model-buttons" }, begin, stop, discard);
    }

    async act(question, offer) {
      setText(this.note, await this.call(question, { model: offer.name }));
    }

    /* The licence comes first, whatever was agreed to before. */
    begin(offer) {
      const { licence, title } = offer;
      const link = make("a", { href: licence.url, target: "_blank", rel: "noopener noreferrer", text: t("Read the whole licence") });
      const terms = make("div", { class: "terms" }, make("p", { text: t(licence.terms) }), make("p", {}, link));
      const words = t("{title} is not part of this studio. It is fetched from its publishers and comes under their licence.", { title });
      const agree = () => this.call("start_download", { model: offer.name, licence: licence.name });
      question(title, words, t("Agree and download"), t("Cancel"), agree, this.facts(offer), ...this.warnings(offer), terms);
    }

    discard(offer) {
      const words = t("{size} of it were fetched. They would have to be fetched again.", { size: offer.fetched });
      question(t("Discard what was fetched of {title}", offer), words, t("Discard"), t("Cancel"), () => this.call("discard_download", { model: offer.name }));
    }
  }

  return (element, server, arrived) => new Offers(element, server, arrived);
})();
