/* The queue: what is painted now and what waits, to be moved, removed or put back. The same on every open page. */
"use strict";

(() => {
  const { make, setText, announce, UNANSWERED } = dalleStudio.tools;
  const { t } = dalleWords;
  const MOVES = [["front", "To the front", "⤒"], ["up", "Up", "↑"], ["down", "Down", "↓"]];

  function queue(element, { server }) {
    const box = element.querySelector(".queue");
    const count = make("h3");
    const clear = make("button", { type: "button", class: "link", text: t("Clear"), "aria-label": t("Clear the queue"), onclick: () => drop(server.clear_queue({}), "") });
    const now = make("p", { class: "queue-now" });
    const list = make("ol", { class: "queue-list" });
    const said = make("span", { role: "status" });
    const putBack = make("button", { type: "button", class: "link", text: t("Put back"), onclick: restore });
    const foot = make("p", { class: "queue-foot", hidden: true }, said, putBack);
    box.append(make("header", {}, count, clear), now, list, foot);
    const rows = new Map();
    let waiting = [], running = null, dropped = [], loaded = null; // the model, which is only named where it is another

    const ask = promise => promise.catch(() => ({ error: UNANSWERED }));

    const key = job => job.sheet ?? job.id; // a sheet's cells are one row, whichever is next

    async function move(id, to) {
      const answer = await ask(server.move_job({ job: id, to }));
      if (answer.error) tell(t(answer.error), []);
    }

    async function remove(job) {
      const { node } = rows.get(key(job)) ?? {};
      const next = node?.nextElementSibling ?? node?.previousElementSibling;
      const taken = job.sheet ? server.drop_sheet({ sheet: job.sheet }) : server.cancel_job({ job: job.id });
      await drop(taken.then(answer => ({ jobs: [job.id], ...answer })), named(job));
      (next?.querySelector(".remove") ?? putBack).focus(); // the button that had it is gone
    }

    /* `promise` answers which jobs were taken off. */
    async function drop(promise, prompt) {
      const answer = await ask(promise);
      if (answer.error) return tell(t(answer.error), []);
      tell(prompt ? t("Removed “{prompt}”.", { prompt }) : t("{count} removed.", { count: answer.jobs.length }), answer.jobs);
    }

    async function restore() {
      const jobs = dropped;
      dropped = []; // a second press finds nothing to do
      const answer = jobs.length ? await ask(server.requeue_jobs({ jobs })) : {};
      tell(answer.error ? t(answer.error) : "", []);
    }

    function tell(words, jobs) {
      dropped = jobs;
      setText(said, words);
      putBack.hidden = !jobs.length;
      foot.hidden = !words;
      settle();
    }

    const named = job => job.prompt || t("Without words");

    function row(job) {
      const button = (text, label, kind, click) => make("button", { type: "button", class: `mini ${kind}`, text, title: t(label), "aria-label": `${t(label)}: ${named(job)}`, onclick: click });
      const prompt = make("span", { class: "queue-prompt", text: named(job), title: named(job) });
      const moves = job.sheet ? [] : MOVES.map(([to, label, sign]) => button(sign, label, to, () => move(job.id, to))); // cells come last
      return { job, node: make("li", {}, make("span", { class: "queue-words" }, prompt, make("small")), make("span", { class: "queue-buttons" }, ...moves, button("×", "Remove", "remove", () => remove(job)))) };
    }

    function draw() {
      const keys = new Set(waiting.map(key));
      for (const [id, { node }] of rows) if (!keys.has(id)) { node.remove(); rows.delete(id); }
      const focused = document.activeElement;
      const movable = waiting.filter(job => !job.sheet).length;
      waiting.forEach((job, i) => {
        if (!rows.has(key(job))) rows.set(key(job), row(job));
        const { node } = rows.get(key(job));
        setText(node.querySelector("small"), [t(job.words), job.model !== loaded && job.model].filter(Boolean).join(" · "));
        if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
        if (job.sheet) return;
        const [front, up, down] = node.querySelectorAll(".mini");
        front.disabled = up.disabled = i === 0;
        down.disabled = i === movable - 1;
      });
      if (list.contains(focused) && document.activeElement !== focused) refocus(focused);
    }

    /* A row that moved keeps the focus; at an end, on the button that still does something. */
    function refocus(button) {
      (button.disabled ? button.parentElement.querySelector(".mini:not(:disabled)") : button)?.focus();
    }

    function settle() {
      box.hidden = !waiting.length && foot.hidden;
      setText(count, waiting.length ? t("Queue, {count} waiting", { count: waiting.length }) : t("Queue"));
      clear.hidden = waiting.length < 2;
      now.hidden = !running || !waiting.length;
      if (running) setText(now, t("Painting: {prompt}", { prompt: named(running) }));
    }

    announce.addEventListener("news", ({ detail }) => {
      if (detail.first) running = null;
      for (const job of detail.jobs) {
        if (job.status === "running") running = job;
        else if (job.id === running?.id) running = null;
      }
      if (detail.status) loaded = detail.status.model;
      if (detail.queue) waiting = detail.queue;
      if (detail.queue || detail.status) draw();
      settle();
    });
    announce.addEventListener("submitted", () => tell("", []));
  }

  dalleStudio.queue = queue;
})();
