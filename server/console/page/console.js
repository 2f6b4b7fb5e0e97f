// The console: sign in, four panels, and the event stream that keeps them fresh.

import { Problem, events, request, token } from "./api.js";
import { Table, button, kind, span, state, text, time } from "./table.js";

const page = 25; // items of a panel
const tailLength = 200; // audit entries shown
const livePoll = 3_000; // ms between looks at live calls, whose ringing is no audit entry
const idlePoll = 30_000; // ms between looks at everything, because permissions expire by the clock
const checkpointPause = 15_000; // ms between checkpoints, each of which the daemon signs and keeps
const gather = 150; // ms in which entries are gathered before the page is changed
const longestPause = 30_000; // ms before the stream is tried again

const at = (id) => document.getElementById(id);
const pause = (ms, signal) =>
  new Promise((resolve) => {
    const t = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(t); resolve(); }, { once: true });
  });

// Panel shows one list of the API and does one thing to its items.
class Panel {
  constructor({ name, path, id, cells, act }) {
    this.path = path;
    this.table = new Table(at(name), id, cells);
    this.items = [];
    at(name).addEventListener("click", (e) => {
      const b = e.target.closest("button[data-id]");
      if (b && confirm(b.getAttribute("aria-label") + "?")) {
        this.act(act + encodeURIComponent(b.dataset.id));
      }
    });
  }

  // load asks once more when it was called while it was asking.
  async load(session) {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    do {
      this.again = false;
      await this.ask(session);
    } while (this.again && !session.signal.aborted);
    this.loading = false;
  }

  async ask(session) {
    try {
      const list = await request(this.path + "?limit=" + page, { signal: session.signal });
      if (session.signal.aborted) {
        return;
      }
      this.items = list.items;
      this.table.show(list.items);
      this.table.say(list.nextCursor ? "The first " + list.items.length + "; the API has more." : list.items.length ? "" : "None yet.");
    } catch (e) {
      session.failed(e, (words) => this.table.say(words));
    }
  }

  async act(path) {
    const session = current;
    try {
      await request(path, { method: "DELETE", signal: session.signal });
      this.load(session);
    } catch (e) {
      session.failed(e, (words) => this.table.say(words));
    }
  }

  clear() {
    this.items = [];
    this.table.show([]);
    this.table.say("");
  }
}

const calls = new Panel({
  name: "calls", path: "/v1/calls", act: "/v1/calls/",
  id: (c) => c.id,
  cells: (c) => [
    state(c.state),
    text(c.direction === "USER_INITIATED" ? "user to business" : "business to user"),
    text(c.user), text(c.agent), time(c.startedAt),
    text([c.disposition, c.endedBy && "by " + c.endedBy].filter(Boolean).join(", ")),
    c.state === "ended" ? null : button("Hang up", "Hang up the call with " + c.user, c.id),
  ],
});

const permissions = new Panel({
  name: "permissions", path: "/v1/permissions",
  id: (p) => p.business + " " + p.user,
  cells: (p) => [
    text(p.user), text(p.business), state(p.status),
    p.status === "permanent" ? text("never") : time(p.expiresAt),
    p.doNotCall ? state("do_not_call") : text("no"),
  ],
});

const callbacks = new Panel({
  name: "callbacks", path: "/v1/callbacks", act: "/v1/callbacks/",
  id: (c) => c.id,
  cells: (c) => [
    state(c.state), text(c.user), text(c.agent), span(c.notBefore, c.notAfter),
    c.state === "pending" ? button("Cancel", "Cancel the callback to " + c.user, c.id) : null,
  ],
});

const panels = [calls, permissions, callbacks];

// touched are the panels that an entry of the audit log may have changed.
function touched(entry) {
  switch (entry.kind.split(".")[0]) {
    case "call":
    case "decision":
      return [calls, permissions];
    case "permission":
    case "dnc":
      return panels; // an opt-out ends calls and refuses callbacks
    case "callback":
      return [callbacks, calls];
    default:
      return [];
  }
}

// Session is what lives between signing in and signing out.
class Session {
  constructor() {
    this.abort = new AbortController();
    this.signal = this.abort.signal;
    this.last = undefined; // index of the newest entry seen
    this.stale = new Set(); // panels to load soon
    this.soon = 0; // timer
  }

  // failed says what went wrong; a token that the daemon does not know ends the session.
  failed(e, say) {
    if (this.signal.aborted) {
      return;
    }
    if (e instanceof Problem && e.status === 401) {
      leave("The daemon does not know this token.");
    } else {
      say(e instanceof Problem ? e.message : "The daemon does not answer.");
    }
  }

  start() {
    this.follow();
    this.checkpoints();
    this.poll(livePoll, () => calls.items.some((c) => c.state !== "ended") && calls.load(this));
    this.poll(idlePoll, () => this.loadAll());
  }

  loadAll() {
    panels.forEach((p) => p.load(this));
  }

  async poll(ms, look) {
    while (!this.signal.aborted) {
      await pause(ms, this.signal);
      if (!this.signal.aborted && !document.hidden) {
        look();
      }
    }
  }

  // follow reads the event stream, again and again until the session ends.
  async follow() {
    let wait = 1_000;
    while (!this.signal.aborted) {
      try {
        await this.begin();
        for await (const entry of events(this.last, this.signal)) {
          wait = 1_000;
          if (entry) {
            this.entry(entry);
          } else {
            connection("on", "Connected");
            tail.table.say("");
            this.loadAll();
          }
        }
      } catch (e) {
        this.failed(e, (words) => tail.table.say(words));
        if (e instanceof Problem && e.status === 403) {
          connection("off", "Not allowed"); // trying again does not help
          this.loadAll();
          return;
        }
      }
      if (!this.signal.aborted) {
        connection("off", "Reconnecting");
        await pause(wait / 2 + (Math.random() * wait) / 2, this.signal);
        wait = Math.min(2 * wait, longestPause);
      }
    }
  }

  // begin chooses where the stream begins: after what was seen, or with the newest
  // entries. A log shorter than what was seen is another daemon's.
  async begin() {
    const size = await this.checkpoint();
    if (size === undefined) {
      return;
    }
    if (this.last === undefined || this.last >= size) {
      tail.clear();
      this.last = Math.max(size - page, 0) - 1;
    }
  }

  entry(entry) {
    this.last = entry.index;
    at("size").textContent = String(entry.index + 1);
    tail.add(entry);
    this.grown = true;
    touched(entry).forEach((p) => this.stale.add(p));
    this.soon ||= setTimeout(() => this.refresh(), gather);
  }

  // refresh changes the page once for many entries.
  refresh() {
    this.soon = 0;
    if (!this.signal.aborted) {
      tail.show();
      this.stale.forEach((p) => p.load(this));
      this.stale.clear();
    }
  }

  // checkpoints fetches the root again after the log has grown, not too often.
  async checkpoints() {
    while (!this.signal.aborted) {
      await pause(checkpointPause, this.signal);
      if (this.grown && !this.signal.aborted) {
        this.grown = false;
        await this.checkpoint().catch(() => { this.grown = true; });
      }
    }
  }

  // checkpoint shows the signed tree head and resolves to its size, or to nothing
  // when the token may not see it.
  async checkpoint() {
    try {
      const c = await request("/v1/audit/checkpoint", { signal: this.signal });
      at("root").textContent = c.root;
      at("root").title = "Root of the first " + c.size + " entries";
      at("size").textContent = String(Math.max(c.size, (this.last ?? -1) + 1));
      return c.size;
    } catch (e) {
      if (e instanceof Problem && e.status === 403) {
        at("root").textContent = "needs the scope audit";
        return undefined;
      }
      throw e;
    }
  }
}

// tail is the end of the audit log, newest first.
const tail = {
  entries: [],
  table: new Table(at("audit"), (e) => e.index, (e) => [text(String(e.index)), time(e.time), kind(e.kind)]),
  add(entry) {
    this.entries.unshift(entry);
    this.entries.length = Math.min(this.entries.length, tailLength);
  },
  show() {
    this.table.show(this.entries);
  },
  clear() {
    this.entries = [];
    this.show();
    this.table.say("");
  },
};

function connection(state, words) {
  const c = at("connection");
  c.dataset.state = state;
  if (c.textContent !== words) {
    c.textContent = words;
  }
}

let current = null;

function show(signedIn) {
  at("sign-in").hidden = signedIn;
  for (const id of ["panels", "log", "sign-out"]) {
    at(id).hidden = !signedIn;
  }
}

function enter() {
  current = new Session();
  show(true);
  connection("off", "Connecting");
  current.start();
}

// leave forgets the token and everything that was shown.
function leave(why) {
  token.forget();
  current?.abort.abort();
  current = null;
  [...panels, tail].forEach((p) => p.clear());
  at("size").textContent = at("root").textContent = "–";
  at("sign-in-message").textContent = why;
  connection("out", "Signed out");
  show(false);
  at("token").focus();
}

at("sign-in").addEventListener("submit", (e) => {
  e.preventDefault();
  token.set(at("token").value.trim());
  at("token").value = "";
  at("sign-in-message").textContent = "";
  enter();
  at("calls-title").focus();
});
at("sign-out").addEventListener("click", () => leave(""));

if (token.get()) {
  enter();
} else {
  leave("");
}
