// One view for all widgets: it shows the HTML that Python made, in which every foreign word is escaped, and tells
// Python what was pressed. It fetches nothing and asks nothing of the front end but the comm: models and messages.

function render({ model, el }) {
  const root = document.createElement("section");
  root.className = "wb-exhibit";
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", model.get("label"));
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves the keys that are pressed here alone

  // Where this view lives, its static twin would say everything twice; with the view goes the rule.
  const hidden = document.createElement("style");
  hidden.textContent = `#${CSS.escape(model.get("twin"))} { display: none; }`;
  const body = document.createElement("div");
  const status = document.createElement("div");
  status.className = "wb-status";
  status.setAttribute("role", "status");
  root.append(hidden, body, status);
  el.replaceChildren(root);

  let sent = null; // the turn that was answered: what is pressed twice is told once

  function fields() {
    const named = body.querySelectorAll("[name]");
    return Object.fromEntries([...named].map((field) => [field.name, field.value]));
  }

  function press(button) {
    const turn = model.get("turn");
    if (button.disabled || sent === turn) return;
    sent = turn;
    root.setAttribute("aria-busy", "true");
    model.send({ verb: button.dataset.do, turn, fields: fields() });
  }

  function draw() {
    const focused = root.contains(document.activeElement) ? document.activeElement : null;
    const verb = focused?.dataset.do;
    body.innerHTML = model.get("body");
    if (!focused || focused === root) return;
    const again = verb && body.querySelector(`[data-do="${CSS.escape(verb)}"]:not(:disabled)`);
    (again || root).focus({ preventScroll: true });
  }

  function tell() {
    status.innerHTML = model.get("status");
  }

  function goOn() {
    sent = null;
    root.removeAttribute("aria-busy");
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) press(button);
  });

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
      if (event.key === "Escape") root.focus({ preventScroll: true });
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const meant = (button) => button.dataset.keys.split(" ").includes(key);
    const button = [...body.querySelectorAll("button[data-keys]")].find(meant);
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) press(button); // a key that is held down is one press
  });

  draw();
  tell();
  const heard = { "change:body": draw, "change:status": tell, "change:turn": goOn };
  for (const [name, hear] of Object.entries(heard)) model.on(name, hear);
  return () => {
    for (const [name, hear] of Object.entries(heard)) model.off(name, hear);
  };
}

export default { render };
