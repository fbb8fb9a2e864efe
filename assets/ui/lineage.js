/* A picture's family in its dialog: a column a generation, the oldest first, lines from parents to children. Each picture
   is a click away, and what can be done with it then is what the dialog offers: fork its settings, paint it again. */
"use strict";

window.dalleStudio.lineage = (() => {
  const { make, setText, thumbnail, announce, UNANSWERED } = window.dalleStudio.tools;
  const { kindWords } = window.dalleStudio;
  const { t } = window.dalleWords;
  const SVG = "http://www.w3.org/2000/svg";

  const rows = count => t(count === 1 ? "{count} row" : "{count} rows", { count });

  async function draw(dialog) {
    const image = dialog.details.image;
    const family = await dialog.context.server.picture_family({ image }).catch(() => ({ error: UNANSWERED }));
    if (family.error || dialog.details?.image !== image || family.members.length < 2) return;
    const made = new Map(family.links.map(link => [link.child, link])); // how each came to be
    const ids = family.members.map(member => member.image);
    const visit = id => { dialog.ids = ids; dialog.at = ids.indexOf(id); dialog.show(); };
    const nodes = new Map(family.members.map(member => [member.image, node(member, made.get(member.image), image, visit)]));
    const generations = [...new Set(family.members.map(member => member.generation))].sort((one, other) => one - other);
    const columns = generations.map(generation => make("ul", {}, ...family.members.filter(member => member.generation === generation).map(member => make("li", {}, nodes.get(member.image)))));
    const lines = document.createElementNS(SVG, "svg");
    lines.setAttribute("aria-hidden", "true");
    const tree = make("div", { class: "family-tree", role: "group", "aria-labelledby": "family-title", tabindex: "0" }, make("div", { class: "family-columns" }, ...columns));
    tree.firstChild.prepend(lines);
    const parent = made.get(image)?.parent;
    const again = parent && made.get(image).relation !== "reproduce" && make("button", { type: "button", class: "link", text: t("Paint this branch again"), title: t("From the same parent, with a new seed."), onclick: () => branch(dialog, image) });
    const compare = parent && make("button", { type: "button", class: "link", text: t("Compare with its parent"), onclick: () => window.dalleStudio.compare.open(parent, image, dialog.context) });
    dialog.family.replaceChildren(make("header", {}, make("h3", { id: "family-title", text: t("Family") }), again || null, compare || null), tree, family.more ? make("p", { text: t("There are more than can be shown here.") }) : "");
    dialog.family.hidden = false;
    connect(lines, family.links, nodes);
    const here = nodes.get(image);
    tree.scrollLeft = here.offsetLeft - (tree.clientWidth - here.offsetWidth) / 2;
    tree.scrollTop = here.offsetTop - (tree.clientHeight - here.offsetHeight) / 2;
  }

  async function branch(dialog, image) {
    const answer = await dialog.context.server.branch_picture({ image }).catch(() => ({ error: UNANSWERED }));
    if (!answer.error) announce.dispatchEvent(new Event("submitted"));
    setText(dialog.said, t(answer.error ?? "Queued. It will stand beside this one in the family."));
  }

  function node({ image, prompt, trashed }, link, shown, visit) {
    const how = link ? [kindWords(link.relation), link.keptRows ? t("top {rows} kept", { rows: rows(link.keptRows) }) : ""].filter(Boolean).join(t(", ")) : t("The first");
    const label = [prompt || t("Without words"), how, trashed && t("in the trash")].filter(Boolean).join(t(", "));
    return make("button", { type: "button", class: "kin", "data-id": image, title: label, "aria-label": label, "aria-current": image === shown ? "true" : null, onclick: () => visit(image) },
      make("img", { src: thumbnail(image), alt: "", draggable: "false" }), make("span", { text: how }));
  }

  function connect(lines, links, nodes) {
    const columns = lines.parentElement;
    lines.setAttribute("width", columns.scrollWidth);
    lines.setAttribute("height", columns.scrollHeight);
    const side = node => {
      const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = node.firstChild, x = node.offsetLeft + offsetLeft;
      return { x, y: node.offsetTop + offsetTop + offsetHeight / 2, far: x + offsetWidth };
    };
    for (const { parent, child } of links) {
      const from = side(nodes.get(parent)), to = side(nodes.get(child)), middle = (from.far + to.x) / 2;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", `M${from.far},${from.y} C${middle},${from.y} ${middle},${to.y} ${to.x},${to.y}`);
      lines.append(path);
    }
  }

  return { draw };
})();
