// The HTTP API, as this page uses it. The token goes into the Authorization
// header and nowhere else.

const key = "callctl.token";
const silence = 45_000; // ms without a byte, three heartbeats, before a stream counts as dead

export const token = {
  get: () => sessionStorage.getItem(key),
  set: (value) => sessionStorage.setItem(key, value),
  forget: () => sessionStorage.removeItem(key),
};

// Problem is an answer that is not a success (RFC 9457).
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function ask(path, options) {
  return fetch(path, {
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    ...options,
    headers: { Authorization: "Bearer " + token.get(), ...options.headers },
  });
}

async function problemOf(answer) {
  let detail = "The daemon answered " + answer.status + ".";
  try {
    detail = (await answer.json()).detail || detail;
  } catch {
    // Not a problem of the API, such as a proxy's page: the status says enough.
  }
  return new Problem(answer.status, detail);
}

// request resolves to the decoded answer; it throws a Problem, or TypeError when
// the daemon does not answer.
export async function request(path, { method = "GET", signal } = {}) {
  const answer = await ask(path, { method, signal });
  if (!answer.ok) {
    throw await problemOf(answer);
  }
  return answer.json();
}

// events yields the entries of the audit log as they are committed, after the
// index `after`, or from what happens next. Before the first entry it yields null
// once, when the stream is open. It ends when the stream does. EventSource would
// do this, but cannot send a header.
export async function* events(after, signal) {
  const watch = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => watch.abort(), silence);
  };
  alive();
  try {
    const answer = await ask("/v1/events", {
      signal: AbortSignal.any([signal, watch.signal]),
      headers: after === undefined ? {} : { "Last-Event-ID": String(after) },
    });
    if (!answer.ok) {
      throw await problemOf(answer);
    }
    yield null;
    for await (const line of lines(answer.body, alive)) {
      if (line.startsWith("data:")) {
        yield JSON.parse(line.slice(5)); // the daemon writes an entry on one line
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

async function* lines(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    alive();
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    yield* whole;
  }
}
