/* What the page says and asks beside its tabs: a toast that can take something back, a question before what cannot be,
   a name, a small menu. They know nothing of pictures. */
"use strict";

(() => {
  const { tools } = window.dalleStudio;
  const { make, setText } = tools;
  const { t } = window.dalleWords;
  const STAYS = 9000; // ms
  const GAP = 6; // between a menu and its button
  const AGAIN = 250; // ms within which the same button closes a panel and does not open it again

  /* ---- toast: one at a time, read out, in front of whatever dialog is open ---- */

  const toast = {
    build() {
      if (this.node) return;
      this.words = make("span", { role: "status" });
      this.offer = make("button", { type: "button", class: "link" });
      this.node = make("div", { class: "toast", hidden: true }, this.words, this.offer, make("button", { type: "button", class: "mini", text: "×", "aria-label": t("Close"), onclick: () => this.hide() }));
      this.offer.addEventListener("click", () => this.takeBack());
      for (const event of ["pointerenter", "focusin"]) this.node.addEventListener(event, () => clearTimeout(this.timer));
      for (const event of ["pointerleave", "focusout"]) this.node.addEventListener(event, () => this.expire());
    },

    /* Whoever has the focus keeps it. What takes something back is there for Ctrl+Z when the toast has gone. */
    show(words, offer = "", act = null) {
      this.build();
      this.act = act ?? this.act;
      if (!this.node.contains(document.activeElement)) this.before = document.activeElement;
      this.place();
      this.node.hidden = false;
      setText(this.words, words);
      setText(this.offer, offer);
      this.offer.hidden = !act;
      this.expire();
    },

    takeBack() {
      const { act } = this;
      this.act = null;
      this.hide();
      act?.();
    },

    /* What lies outside an open dialog cannot be reached. */
    place() {
      const open = [...document.querySelectorAll("dialog[open]")].at(-1);
      const host = open ?? document.body;
      if (this.node.parentElement !== host) host.append(this.node);
      open?.addEventListener("close", () => { if (!this.node.hidden) this.place(); }, { once: true });
    },

    expire() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.hide(), STAYS);
    },

    hide() {
      if (!this.node || this.node.hidden) return;
      const focused = this.node.contains(document.activeElement);
      this.node.hidden = true;
      if (focused) this.before?.focus();
    },
  };

  document.addEventListener("keydown", event => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || !toast.act || tools.keys.typing(event)) return;
    event.preventDefault();
    toast.takeBack();
  });

  /* ---- a dialog with a few words and two buttons ---- */

  function offer(title, words, yes, no, ...content) {
    const head = make("h2", { id: `offer-${++offers}`, text: title });
    const said = make("p", { class: "offer-words", text: words, hidden: !words });
    const agree = make("button", { type: "submit", class: "action primary", text: yes });
    const leave = make("button", { type: "button", class: "action", text: no, onclick: () => node.close() });
    const failed = make("p", { class: "offer-error", role: "alert" });
    const form = make("form", { method: "dialog" }, head, said, ...content, failed, make("div", { class: "buttons" }, leave, agree));
    const node = make("dialog", { class: "offer", "aria-labelledby": head.id }, form);
    node.addEventListener("close", () => node.remove());
    document.body.append(node);
    return { node, form, agree, leave, failed };
  }

  let offers = 0;

  /* `act` answers words of what went wrong, or nothing; the dialog stays while there are any. */
  function whenAgreed({ node, form, agree, failed }, act) {
    form.addEventListener("submit", async event => {
      event.preventDefault();
      agree.disabled = true;
      const wrong = await act();
      agree.disabled = false;
      if (wrong) setText(failed, wrong);
      else node.close();
    });
    node.showModal();
  }

  function question(title, words, yes, no, act, ...content) {
    const asked = offer(title, words, yes, no, ...content);
    whenAgreed(asked, act);
    asked.leave.focus();
  }

  function nameFor(title, label, value, yes, act) {
    const input = make("input", { type: "text", maxlength: 200, autocomplete: "off", required: true });
    const asked = offer(title, "", yes, t("Cancel"), make("label", { class: "offer-field" }, make("span", { text: label }), input));
    input.value = value;
    whenAgreed(asked, () => act(input.value.trim()));
    input.select();
  }

  /* ---- a panel that belongs to a button, and closes when anything else is pressed ---- */

  const closings = new WeakMap(); // button -> when

  function panel(button, node, { above = false } = {}) {
    const pop = make("div", { class: "float", popover: "auto" }, node);
    const place = () => {
      const { left, top, bottom } = button.getBoundingClientRect();
      const room = innerWidth - pop.offsetWidth - 8;
      pop.style.left = `${Math.max(8, Math.min(left, room))}px`;
      pop.style.top = above ? "auto" : `${Math.min(bottom + GAP, Math.max(8, innerHeight - pop.offsetHeight - 8))}px`;
      pop.style.bottom = above ? `${innerHeight - top + GAP}px` : "auto";
    };
    button.setAttribute("aria-expanded", "false");
    pop.addEventListener("toggle", ({ newState }) => {
      button.setAttribute("aria-expanded", String(newState === "open"));
      if (newState === "open") return;
      closings.set(button, performance.now());
      pop.remove();
    });
    return {
      node: pop,
      get open() { return pop.matches(":popover-open"); },
      show() {
        if (performance.now() - (closings.get(button) ?? -AGAIN) < AGAIN) return; // this very click closed it
        (button.closest("dialog") ?? document.body).append(pop);
        pop.showPopover();
        place();
        pop.querySelector("input, button")?.focus();
      },
      hide() {
        if (this.open) pop.hidePopover();
      },
    };
  }

  /* `choices` are pairs of words and what they do. */
  function menu(button, choices) {
    const list = make("div", { class: "menu" }, ...choices.map(([words, act]) => make("button", { type: "button", text: words, onclick: () => { shown.hide(); act(); } })));
    list.addEventListener("keydown", event => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const all = [...list.children];
      all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
    });
    const shown = panel(button, list);
    shown.show();
  }

  Object.assign(tools, { toast, question, nameFor, panel, menu });
})();
