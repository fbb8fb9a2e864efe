/* The bench, where a picture comes in and its square is chosen. What the tokens make of the square is the server's
   answer; everything else here is instant. Complete and Variations each have one, and add what is theirs. */
"use strict";

(() => {
  const { t, language } = dalleWords;
  const { make, setText, original, thumbnail, remember, recalled, fillPrompt, announce } = dalleStudio.tools;
  const SETTLE_MS = 180; // after the last change of the square, before the tokens are asked for
  const STEP = 0.02, STRIDE = 0.1, GROWTH = 0.05, SMALLEST = 0.1;
  const SILENT = "The studio does not answer.";

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const middle = () => ({ x: 0.5, y: 0.5, side: 1, letterbox: false });

  const decoded = base64 => new File([Uint8Array.from(atob(base64), byte => byte.charCodeAt(0))], "example.png");

  /* `memory` names what is recalled after a reload. A subclass says what of its own goes with the picture (`own`), how
     a picture that is offered is named (`named`), and is told when there is something to look at (`ready`, with the
     server's answer). */
  class Bench {
    constructor(element, server, memory) {
      this.server = server;
      this.memory = memory;
      const find = selector => element.querySelector(selector);
      Object.assign(this, {
        node: find(".bench"), drop: find(".drop"), file: find("input[type=file]"), error: find(".bench-error"), workpiece: find(".workpiece"),
        fit: find(".fit"), full: find(".full"), mask: find(".mask"), cut: find(".cut"), handle: find(".handle"), made: find(".made img"), madePane: find(".made"),
        suggested: find(".suggested"), side: find("input[name=side]"), box: find("input[name=letterbox]"),
      });
      this.limit = Number(this.node.dataset.limit);
      this.picture = null; // {upload} or {image}: an id of the server's
      this.crop = middle();
      this.asked = this.taking = 0; // the last question about the square, and about a file: earlier answers are late
      this.listen(find(".choose"), find(".another"));
      new IntersectionObserver(([drop]) => { if (drop.isIntersecting) this.suggest(); }).observe(this.drop);
    }

    listen(choose, another) {
      for (const button of [choose, another]) button.addEventListener("click", () => this.file.click());
      this.file.addEventListener("change", () => { this.take(this.file.files[0]); this.file.value = ""; });
      this.node.addEventListener("dragover", event => { event.preventDefault(); this.node.classList.add("over"); });
      this.node.addEventListener("dragleave", event => { if (!this.node.contains(event.relatedTarget)) this.node.classList.remove("over"); });
      this.node.addEventListener("drop", event => this.dropped(event));
      document.addEventListener("paste", event => this.pasted(event));
      this.full.addEventListener("load", () => this.shown());
      this.full.addEventListener("error", () => { if (this.picture) this.fail("This picture is no longer there. Choose it again."); });
      this.side.addEventListener("input", () => this.resize(this.side.value / 100));
      this.box.addEventListener("change", () => { this.crop.letterbox = this.box.checked; this.changed(); });
      this.cut.addEventListener("keydown", event => this.pressed(event));
      this.cut.addEventListener("pointerdown", event => this.drag(event, event.target === this.handle));
    }

    /* ---- the picture comes in ---- */

    dropped(event) {
      event.preventDefault();
      this.node.classList.remove("over");
      const file = event.dataTransfer.files[0];
      if (file) this.take(file);
      else this.fail("That was not a file. Save the picture first, then drop the file here.");
    }

    pasted(event) {
      const file = [...event.clipboardData.files].find(file => file.type.startsWith("image/"));
      if (!file || this.node.offsetParent === null) return;
      event.preventDefault();
      this.take(file);
    }

    /* Something to begin with: what was painted last, or examples. */
    async suggest() {
      const { latest = [], examples = [] } = await this.server.suggest_pictures({}).catch(() => ({}));
      const offers = [
        ...latest.map(({ image, prompt }) => this.offer(thumbnail(image), prompt, () => this.use({ image }, middle()))),
        ...examples.map(({ data, words }) => this.offer(`data:image/png;base64,${data}`, words[language], () => this.take(decoded(data)))),
      ];
      setText(this.suggested.querySelector("h3"), latest.length ? t("Painted last") : t("Or begin with an example"));
      this.suggested.querySelector(".suggested-row").replaceChildren(...offers);
      this.suggested.hidden = !offers.length;
    }

    offer(src, words, choose) {
      const chosen = () => {
        const box = this.node.closest(".studio-columns").querySelector(".prompt-box textarea");
        if (!box.value.trim()) fillPrompt(words, box);
        choose();
      };
      return make("button", { type: "button", title: words, "aria-label": this.named(words), onclick: chosen }, make("img", { src, alt: "" }));
    }

    async take(file) {
      if (!file) return;
      if (file.size > this.limit) return this.fail(t("{name} is larger than the {most} MiB that are read.", { name: file.name, most: this.limit / 2 ** 20 }));
      this.fail("");
      const taking = ++this.taking;
      this.node.setAttribute("aria-busy", "true");
      const body = { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } };
      const taken = await fetch("media/source", body).then(answer => answer.json()).catch(() => ({ error: SILENT }));
      if (taking !== this.taking) return;
      this.node.setAttribute("aria-busy", "false");
      if (taken.error) this.fail(taken.error);
      else this.use(taken, middle());
    }

    /* A picture of the studio's, by its id. */
    use(picture, crop) {
      this.fail("");
      this.asked++;
      this.taking++;
      this.node.setAttribute("aria-busy", "false");
      this.picture = picture.image ? { image: picture.image } : { upload: picture.upload };
      this.crop = crop;
      this.box.checked = crop.letterbox;
      this.full.src = picture.image ? original(picture.image) : `media/source/${encodeURIComponent(picture.upload)}`;
    }

    shown() {
      this.drop.hidden = true;
      this.workpiece.hidden = false;
      this.changed(0);
    }

    fail(text) {
      setText(this.error, t(text));
      this.error.hidden = !text;
    }

    /* ---- the square ---- */

    /* Of the picture, in shares of its longer edge, which is the frame's: {width, height, edge, left, top}. */
    measures() {
      const longer = Math.max(this.full.naturalWidth, this.full.naturalHeight) || 1;
      const width = this.full.naturalWidth / longer, height = this.full.naturalHeight / longer;
      const edge = this.crop.side * Math.min(width, height);
      return { width, height, edge, left: this.crop.x * (width - edge), top: this.crop.y * (height - edge) };
    }

    place(left, top) {
      const { width, height, edge } = this.measures();
      if (width > edge) this.crop.x = clamp(left / (width - edge), 0, 1);
      if (height > edge) this.crop.y = clamp(top / (height - edge), 0, 1);
    }

    move(right, down) {
      const { left, top } = this.measures();
      this.place(left + right, top + down);
      this.changed();
    }

    /* Around its middle, unless `corner` says that the top left stays. */
    resize(side, corner = false) {
      const before = this.measures();
      this.crop.side = clamp(side, SMALLEST, 1);
      const shift = corner ? 0 : (before.edge - this.measures().edge) / 2;
      this.place(before.left + shift, before.top + shift);
      this.changed();
    }

    pressed(event) {
      const step = event.shiftKey ? STRIDE : STEP;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      const sizes = { "+": GROWTH, "=": GROWTH, "-": -GROWTH };
      if (this.crop.letterbox || event.ctrlKey || event.metaKey || event.altKey) return;
      if (moves[event.key]) this.move(...moves[event.key]);
      else if (sizes[event.key]) this.resize(this.crop.side + sizes[event.key]);
      else return;
      event.preventDefault();
    }

    drag(event, byHandle) {
      if (event.button !== 0 || this.crop.letterbox) return;
      event.preventDefault();
      this.cut.focus({ preventScroll: true });
      this.cut.setPointerCapture(event.pointerId);
      const start = this.measures(), side = this.crop.side, frame = this.fit.getBoundingClientRect().width || 1;
      const shorter = Math.min(start.width, start.height);
      const moved = to => {
        const right = (to.clientX - event.clientX) / frame, down = (to.clientY - event.clientY) / frame;
        if (byHandle) {
          const room = Math.min(start.width - start.left, start.height - start.top);
          this.resize(Math.min(room / shorter, side + Math.max(right, down) / shorter), true);
        } else {
          this.place(start.left + right, start.top + down);
          this.changed();
        }
      };
      const done = () => { this.cut.removeEventListener("pointermove", moved); this.cut.removeEventListener("lostpointercapture", done); };
      this.cut.addEventListener("pointermove", moved);
      this.cut.addEventListener("lostpointercapture", done);
    }

    /* ---- what is seen ---- */

    changed(wait = SETTLE_MS) {
      this.fail("");
      this.draw();
      this.keep();
      this.madePane.classList.add("stale");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.prepare(), wait);
    }

    draw() {
      const { width, height, edge, left, top } = this.measures(), whole = this.crop.letterbox;
      const percent = value => `${100 * value}%`;
      const [x, y, side] = whole ? [0, 0, 1] : [(1 - width) / 2 + left, (1 - height) / 2 + top, edge];
      Object.assign(this.cut.style, { left: percent(x), top: percent(y), width: percent(side), height: percent(side) });
      this.mask.style.clipPath = whole ? "" : `inset(${percent((1 - height) / 2)} ${percent((1 - width) / 2)})`;
      const fixed = whole || (width === height && this.crop.side === 1);
      this.fit.dataset.fixed = String(fixed);
      this.fit.style.backgroundImage = whole && this.square ? `url(${this.square})` : "";
      this.side.value = String(Math.round(100 * this.crop.side));
      this.side.disabled = whole; // and keeps its place, as all beside it do
      this.handle.hidden = whole;
      this.box.closest("label").hidden = width === height;
      const label = whole ? "The whole picture, with bars" : "The chosen square, {size}% of the shorter edge. Arrow keys move it, plus and minus resize it.";
      this.cut.setAttribute("aria-label", t(label, { size: Math.round(100 * this.crop.side) }));
    }

    async prepare() {
      const asked = ++this.asked;
      this.madePane.setAttribute("aria-busy", "true");
      const source = await this.server.prepare_source({ ...this.picture, crop: this.crop }).catch(() => ({ error: SILENT }));
      if (asked !== this.asked) return;
      this.madePane.setAttribute("aria-busy", "false");
      if (source.error) return this.fail(source.error);
      this.madePane.classList.remove("stale");
      this.square = source.square;
      this.made.src = source.reconstruction;
      this.ready(source);
      this.draw();
    }

    keep() {
      remember(this.memory, { picture: this.picture, crop: this.crop, ...this.own() });
    }

    chosen() {
      return this.picture && { ...this.picture, crop: this.crop, ...this.own() };
    }

    /* What tokens make of a picture is the model's: another one makes something else of it. */
    follow(version) {
      if (!version || version === this.version) return;
      if (this.version && this.picture) this.changed(0);
      this.version = version;
    }

    /* What is sent here, or what was here before a reload. */
    begin({ props, watch }) {
      const sent = () => {
        if (!props.value?.image) return false;
        const { image, strength } = props.value;
        if (strength) this.recall({ strength });
        this.use({ image }, middle());
        return true;
      };
      watch("value", sent);
      announce.addEventListener("news", ({ detail }) => this.follow(detail.status?.version));
      const { picture, crop, ...own } = recalled(this.memory, {});
      if (sent() || !picture) return;
      this.recall(own);
      this.use(picture, { ...middle(), ...crop });
    }
  }

  Object.assign(dalleStudio.tools, { Bench, clamp });
})();
