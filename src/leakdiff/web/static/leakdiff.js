"use strict";

// What a page can do beyond what it does without a script: its tables can be sorted, and while something runs it asks
// for itself again and takes over what is new, so that focus, scroll positions and what was typed stay.
(() => {
  const MOST_TRIES = 40; // with several workers a request reaches a random one, and only one of them knows a job
  const TIMEOUT = 10_000; // milliseconds
  const live = document.querySelector(".live");
  const said = document.querySelector(".live-said");
  let timer = 0;
  let isPaused = false;
  let tries = 0;

  const main = () => document.getElementById("main");

  function announce(text, isSeenAnyway = false) {
    said.classList.toggle("hidden", isSeenAnyway);
    said.textContent = text;
  }

  // -- tables ----------------------------------------------------------------------------------------

  function makeSortable(root) {
    for (const heading of root.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
    }
  }

  function sort(heading, direction) {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const isNumber = heading.dataset.sort === "number";
    const sign = direction === "ascending" ? 1 : -1;
    const value = (row) => {
      const order = row.cells[column].dataset.order;
      return isNumber && order !== undefined ? Number(order) : order;
    };
    const compare = (one, other) => {
      const [left, right] = [value(one), value(other)];
      if (left === undefined || right === undefined) {
        return (left === undefined) - (right === undefined); // what is not known comes last, either way
      }
      return sign * (isNumber ? left - right || 0 : left.localeCompare(right));
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    for (const each of table.tHead.rows[0].cells) {
      each.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", direction);
  }

  function sortLike(fresh, old) {
    const tables = [...old.querySelectorAll("table")];
    [...fresh.querySelectorAll("table")].forEach((table, at) => {
      const sorted = tables[at]?.querySelector("th[aria-sort]");
      const heading = sorted && table.tHead.rows[0].cells[sorted.cellIndex];
      if (heading && heading.textContent === sorted.textContent) {
        sort(heading, sorted.getAttribute("aria-sort"));
      }
    });
  }

  document.addEventListener("click", (event) => {
    const heading = event.target.closest("th[data-sort] button")?.parentElement;
    if (heading) {
      const first = heading.dataset.sort === "number" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      sort(heading, heading.getAttribute("aria-sort") === first ? other : first);
    }
  });

  // -- what is new -----------------------------------------------------------------------------------

  function takeOver(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) {
        old.nodeValue = fresh.nodeValue;
      }
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) {
        old.removeAttribute(name);
      }
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) {
        old.setAttribute(name, value);
      }
    }
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((node, at) => (at < before.length ? takeOver(before[at], node) : old.append(node)));
    before.slice(after.length).forEach((node) => node.remove());
  }

  function show(page) {
    const fresh = page.getElementById("main");
    const answer = main().querySelector("h1").textContent;
    const hadFocus = main().contains(document.activeElement);
    makeSortable(fresh);
    sortLike(fresh, main());
    takeOver(main(), fresh);
    for (const selector of [".name", "footer"]) {
      takeOver(document.querySelector(selector), page.querySelector(selector));
    }
    document.title = page.title;
    const now = main().querySelector("h1").textContent;
    announce(now === answer || seconds() > 0 ? "" : now, true); // what goes on is announced by its own progress
    if (hadFocus && !main().contains(document.activeElement)) {
      main().focus({ preventScroll: true });
    }
  }

  // -- asking again ----------------------------------------------------------------------------------

  function seconds() {
    const { refresh, elsewhere } = main().dataset;
    return elsewhere !== undefined && refresh === undefined ? 0.3 : Number(refresh ?? 0);
  }

  function plan(after = seconds()) {
    clearTimeout(timer);
    live.hidden = seconds() === 0;
    live.querySelector("button").textContent = isPaused ? "Resume refresh" : "Pause refresh";
    if (seconds() > 0 && !isPaused && !document.hidden) {
      timer = setTimeout(ask, after * 1_000);
    }
  }

  async function ask() {
    try {
      const address = new URL(location.pathname + location.search, location.origin);
      const headers = { Accept: "text/html" };
      const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      use(page, answer.status);
    } catch {
      announce("The service did not answer; it is asked again.");
      plan(5);
    }
  }

  function use(page, status) {
    const fresh = page.getElementById("main");
    if (fresh?.dataset.elsewhere !== undefined && tries < MOST_TRIES) {
      tries += 1;
      announce("Another worker answered; the one that measures is asked for.");
      plan(0.1 + 0.02 * tries);
    } else if (fresh && (fresh.dataset.slug === undefined || status === 404)) {
      tries = 0;
      show(page);
      if (fresh.dataset.elsewhere !== undefined) {
        delete main().dataset.elsewhere; // enough tries
      }
      live.querySelector("span").textContent = `as of ${new Date().toLocaleTimeString()}`;
      plan();
    } else {
      const told = fresh?.querySelector("h1").textContent ?? `It answered with status ${status}.`;
      announce(`${told} It is asked again.`);
      plan(5);
    }
  }

  live.querySelector("button").addEventListener("click", () => {
    isPaused = !isPaused;
    plan(0);
  });
  document.addEventListener("visibilitychange", () => plan());

  // -- forms -----------------------------------------------------------------------------------------

  // A double click would abandon the page of what it began for one that says something is under way already.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent !== undefined) {
      event.preventDefault();
    }
    event.target.dataset.sent = "";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  makeSortable(document);
  plan();
})();
