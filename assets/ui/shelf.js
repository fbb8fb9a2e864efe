/* A wall of pictures of any length: only what is near the window is in the page. Knows where its cards are, which one
   the keyboard is on and which are selected; what a picture is, and what is done with it, it is told. */
"use strict";

(() => {
  const { make, setText, thumbnail, keys } = window.dalleStudio.tools;
  const { t } = window.dalleWords;
  const GAP = 14, CAPTION = 28; // px, as in studio.css
  const NARROW = 860;
  const AHEAD = 700; // px above and below the window that are drawn, too
  const HURRY = 90; // px between two steps of a scroll
  const REST = 90; // ms after the last of them
  const FEW = 3; // thumbnails asked for at a step of a scroll: a row at once would hold up its frame
  const READY = 240; // pictures beyond the last one drawn, that the next windows have what to show
  const HOLD = 450; // ms of a finger on a picture that select it
  const MOST = 5000; // selected at once

  class Shelf {
    /* `act` has open(id), more(), changed(selected) and pressed(event, id). */
    constructor(node, act) {
      this.node = node;
      this.act = act;
      this.cards = new Map(); // id -> node, of those in the page
      this.bare = new Set(); // ids of those without their thumbnail yet
      this.selected = new Set();
      this.ids = []; // in order; whoever turns pages elsewhere reads on in it
      this.pictures = new Map();
      this.places = new Map();
      this.active = null; // id
      this.hurried = -Infinity; // when a step was last one of a hurry
      this.edition = 0; // counts what was put onto it, so that it is drawn anew
      this.anchor = null; // where a range begins
      const later = () => { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); }); };
      addEventListener("scroll", later, { passive: true, capture: true });
      new ResizeObserver(() => { this.measure(); later(); }).observe(node);
      node.addEventListener("click", event => this.clicked(event));
      node.addEventListener("keydown", event => this.pressed(event));
      node.addEventListener("focusin", event => this.focused(event));
      node.addEventListener("pointerdown", event => this.held(event));
      node.addEventListener("contextmenu", event => { if (this.wasHeld) event.preventDefault(); });
    }

    /* ---- what is on it ---- */

    /* Selection, keyboard and cards of pictures that stay are kept. */
    fill(pictures, total = null) {
      this.total = total; // of which only some may have been asked for
      this.edition += 1;
      const place = this.places.get(this.active) ?? 0;
      this.ids.length = 0;
      this.pictures.clear();
      this.places.clear();
      this.add(pictures, true);
      for (const id of [...this.selected]) if (!this.places.has(id)) this.selected.delete(id);
      if (!this.places.has(this.active)) this.active = this.ids[Math.min(place, this.ids.length - 1)] ?? null;
      this.draw();
      this.told();
    }

    add(pictures, whole = false) {
      this.edition += 1;
      for (const picture of pictures) {
        if (this.places.has(picture.image)) continue; // one that came again after a reload
        this.places.set(picture.image, this.ids.length);
        this.ids.push(picture.image);
        this.pictures.set(picture.image, picture);
      }
      this.measure();
      if (whole) for (const [id, card] of this.cards) if (this.places.has(id)) this.describe(card, this.pictures.get(id));
      if (!whole) this.draw();
    }

    remove(ids) {
      const gone = new Set(ids), focused = this.node.contains(document.activeElement);
      const left = this.ids.filter(id => !gone.has(id));
      this.fill(left.map(id => this.pictures.get(id)), this.total === null ? null : this.total - (this.ids.length - left.length));
      if (focused && this.active) this.focus(this.places.get(this.active));
    }

    update(id, more) {
      const picture = this.pictures.get(id);
      if (!picture) return;
      Object.assign(picture, more);
      if (this.cards.has(id)) this.describe(this.cards.get(id), picture);
    }

    /* ---- where it is ---- */

    measure() {
      const width = this.node.clientWidth, narrow = innerWidth < NARROW;
      if (!width) return;
      this.gap = narrow ? GAP / 2 : GAP;
      this.columns = Math.max(3, Math.floor((width + this.gap) / ((narrow ? 104 : 152) + this.gap)));
      this.side = (width - this.gap * (this.columns - 1)) / this.columns;
      this.row = this.side + (narrow ? 0 : CAPTION) + this.gap;
      this.node.style.setProperty("--side", `${this.side}px`);
      this.node.style.setProperty("--tall", `${this.row - this.gap}px`);
      this.node.style.height = `${Math.max(0, Math.ceil(this.ids.length / this.columns) * this.row - this.gap)}px`;
    }

    draw() {
      this.node.hidden = !this.ids.length; // a list without options would be none
      if (!this.node.offsetParent) return;
      if (!this.row) this.measure();
      const top = -this.node.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor((top - AHEAD) / this.row) * this.columns);
      const last = Math.min(this.ids.length, Math.ceil((top + innerHeight + AHEAD) / this.row) * this.columns);
      const span = [first, last, this.active, this.side, this.row, this.total, this.edition].join(" ");
      if (span !== this.span) this.lay(first, last); // most steps of a scroll show the same cards
      this.span = span;
      this.fetch(top);
      if (this.ids.length - last < READY) this.act.more();
    }

    /* Nobody sees what flies past: while the page hurries, thumbnails are not asked for. */
    fetch(top) {
      const now = performance.now(), moved = Math.abs(top - (this.top ?? top));
      if (moved > HURRY) this.hurried = now;
      this.top = top;
      clearTimeout(this.resting);
      if (now - this.hurried < REST) return void (this.resting = setTimeout(() => this.fetch(this.top), REST));
      for (const id of [...this.bare].slice(0, moved ? FEW : Infinity)) {
        this.cards.get(id).querySelector("img").src = thumbnail(id);
        this.bare.delete(id);
      }
      if (this.bare.size) this.resting = setTimeout(() => this.fetch(this.top), REST);
    }

    lay(first, last) {
      const wanted = new Set(this.ids.slice(first, last));
      if (this.active) wanted.add(this.active); // the keyboard's way back in
      for (const [id, card] of this.cards) if (!wanted.has(id)) { card.remove(); this.cards.delete(id); this.bare.delete(id); }
      this.place([...wanted].sort((one, other) => this.places.get(one) - this.places.get(other)));
    }

    /* New cards go in between those that are there, which are never moved: the focus stays. */
    place(ids) {
      let next = this.node.firstChild;
      for (const id of ids) {
        const place = this.places.get(id);
        const card = this.cards.get(id) ?? this.card(this.pictures.get(id));
        if (card === next) next = next.nextSibling;
        else this.node.insertBefore(card, next);
        this.cards.set(id, card);
        card.tabIndex = id === this.active ? 0 : -1;
        const left = `${(place % this.columns) * (this.side + this.gap)}px`, top = `${Math.floor(place / this.columns) * this.row}px`;
        if (card.left === left && card.top === top && card.of === this.total) continue;
        Object.assign(card, { left, top, of: this.total });
        Object.assign(card.style, { left, top }); // a transform would make each card a node of the compositor's own
        card.setAttribute("aria-posinset", place + 1);
        card.setAttribute("aria-setsize", this.total ?? -1);
      }
    }

    card(picture) {
      const image = make("img", { alt: "", decoding: "async", draggable: "false" });
      const frame = make("span", { class: "frame" }, image, make("span", { class: "tick", "aria-hidden": "true" }));
      const card = make("div", { class: "card", role: "option", "data-id": picture.image, title: picture.prompt }, frame, make("span", { class: "name", text: picture.prompt || t("Without words") }));
      image.addEventListener("error", () => frame.classList.add("gone"));
      this.bare.add(picture.image);
      this.describe(card, picture);
      return card;
    }

    describe(card, { image, prompt, starred, stack }) {
      const selected = this.selected.has(image);
      card.classList.toggle("starred", starred);
      card.classList.toggle("stacked", stack > 1);
      card.setAttribute("aria-selected", String(selected));
      this.badge(card.firstChild, "star", starred ? "★" : "");
      this.badge(card.firstChild, "many", stack > 1 ? String(stack) : "");
      const facts = [prompt || t("Without words"), starred && t("Starred"), stack > 1 && t("stack of {count}", { count: stack })];
      card.setAttribute("aria-label", facts.filter(Boolean).join(t(", ")));
    }

    /* Most pictures have none, and what is not there need not be laid out while they fly past. */
    badge(frame, name, text) {
      const badge = frame.querySelector(`.${name}`);
      if (!text) badge?.remove();
      else if (badge) setText(badge, text);
      else frame.append(make("span", { class: name, text, "aria-hidden": "true" }));
    }

    /* ---- the keyboard ---- */

    focused({ target }) {
      const id = target.closest(".card")?.dataset.id;
      if (!id || id === this.active) return;
      const before = this.cards.get(this.active);
      if (before) before.tabIndex = -1;
      this.active = id;
      target.tabIndex = 0;
    }

    focus(place) {
      const id = this.ids[Math.max(0, Math.min(place, this.ids.length - 1))];
      if (!id) return;
      this.active = id;
      this.show(id);
      this.draw();
      this.cards.get(id)?.focus({ preventScroll: true });
    }

    /* Scrolls no further than it has to; the bars above and below stand over the page. */
    show(id) {
      const top = this.node.getBoundingClientRect().top + Math.floor(this.places.get(id) / this.columns) * this.row;
      const least = 84, most = innerHeight - 96 - this.row;
      if (top < least) scrollBy({ top: top - least });
      else if (top > most) scrollBy({ top: top - Math.max(least, most) });
    }

    pressed(event) {
      const id = event.target.closest?.(".card")?.dataset.id;
      if (!id || keys.typing(event)) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
        event.preventDefault();
        return this.act.all();
      }
      if (!keys.plain(event)) return;
      const step = this.step(event.key);
      if (step) {
        event.preventDefault();
        return this.walk(this.places.get(id) + step, event.shiftKey);
      }
      if (event.key === "Enter") this.act.open(id);
      else if (event.key === " " || event.key.toLowerCase() === "x") this.toggle(id);
      else if (event.key === "Escape" && this.selected.size) this.select([]);
      else return this.act.pressed(event, id);
      event.preventDefault();
    }

    step(key) {
      const screen = Math.max(1, Math.floor((innerHeight - 180) / this.row)) * this.columns;
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -screen, PageDown: screen, Home: -this.ids.length, End: this.ids.length };
      return steps[key];
    }

    walk(place, ranging) {
      const start = this.anchor ?? this.active;
      this.focus(place);
      if (ranging) this.range(start, this.active);
      else this.anchor = null;
    }

    /* ---- the selection ---- */

    clicked(event) {
      const id = event.target.closest(".card")?.dataset.id;
      if (!id || this.wasHeld) return;
      if (event.shiftKey && (this.anchor || this.selected.size)) return this.range(this.anchor ?? this.active, id);
      if (event.target.closest(".tick") || event.ctrlKey || event.metaKey || this.selected.size) return this.toggle(id);
      this.act.open(id);
    }

    /* A finger that rests on a picture selects it. */
    held(event) {
      this.wasHeld = false;
      if (event.pointerType === "mouse") return;
      const id = event.target.closest(".card")?.dataset.id;
      const timer = setTimeout(() => { this.wasHeld = true; this.toggle(id); }, HOLD);
      const letGo = () => clearTimeout(timer);
      for (const name of ["pointerup", "pointercancel", "pointermove"]) this.node.addEventListener(name, letGo, { once: true });
    }

    toggle(id) {
      const chosen = new Set(this.selected);
      if (!chosen.delete(id)) chosen.add(id);
      this.select(chosen);
      this.anchor = id;
    }

    range(from, to) {
      const [first, last] = [this.places.get(from) ?? 0, this.places.get(to) ?? 0].sort((one, other) => one - other);
      const reached = this.ids.slice(first, last + 1);
      const kept = [...this.selected].filter(id => !this.reached?.has(id));
      this.select([...kept, ...reached]);
      this.reached = new Set(reached); // a range that is drawn again lets go of what it no longer reaches
      this.anchor = from;
    }

    select(ids) {
      this.selected = new Set([...ids].slice(0, MOST));
      this.reached = null;
      if (!this.selected.size) this.anchor = null;
      this.told();
    }

    told() {
      this.node.classList.toggle("selecting", this.selected.size > 0);
      for (const [id, card] of this.cards) card.setAttribute("aria-selected", String(this.selected.has(id)));
      this.act.changed([...this.selected]);
    }
  }

  window.dalleStudio.Shelf = Shelf;
})();
