// Tables of what the API answered. All of it is hostile text: it becomes text
// nodes and attribute values, never markup.

// Table keeps a tbody in step with a list, row by row: a row stays the same
// element while its item exists, so that focus, selection and a screen reader's
// place survive an update.
export class Table {
  constructor(section, id, cells) {
    this.body = section.querySelector("tbody");
    this.titles = [...section.querySelectorAll("thead th")].map((th) => th.textContent);
    this.message = section.querySelector(".message");
    this.id = id;
    this.cells = cells;
    this.rows = new Map();
  }

  show(items) {
    const gone = new Map(this.rows);
    let place = this.body.firstElementChild;
    for (const item of items) {
      const key = this.id(item);
      gone.delete(key);
      const row = this.row(key);
      this.fill(row, item);
      if (row === place) {
        place = place.nextElementSibling;
      } else {
        this.body.insertBefore(row, place);
      }
    }
    for (const [key, row] of gone) {
      row.remove();
      this.rows.delete(key);
    }
  }

  say(text) {
    if (this.message.textContent !== text) {
      this.message.textContent = text;
    }
  }

  row(key) {
    let row = this.rows.get(key);
    if (!row) {
      row = element("tr", { role: "row" });
      for (const title of this.titles) {
        const cell = element("td", { role: "cell" });
        cell.dataset.title = title;
        row.append(cell);
      }
      this.rows.set(key, row);
    }
    return row;
  }

  fill(row, item) {
    this.cells(item).forEach((content, i) => {
      const cell = row.children[i];
      const same = cell.firstChild && content && cell.firstChild.isEqualNode(content);
      if (!same) {
        cell.replaceChildren(...(content ? [content] : []));
      }
    });
  }
}

// element makes an element with attributes and text.
export function element(name, attributes = {}, text = "") {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) {
    e.setAttribute(k, v);
  }
  e.textContent = text;
  return e;
}

// text is a word or a dash; a phone number is not broken. bdi keeps right-to-left
// text from reordering what stands beside it.
export const text = (s) => element("bdi", /^\+\d{1,15}$/.test(s) ? { class: "number" } : {}, s || "–");

// kind is the kind of an entry, which a narrow column may break after . and _.
export function kind(s) {
  const e = element("bdi");
  s.split(/(?<=[._])/).forEach((part, i) => e.append(...(i ? [element("wbr")] : []), part));
  return e;
}

// state is a word with a colour; the colour only repeats the word.
export const state = (s) => element("span", { class: "state", "data-state": s }, s.replaceAll("_", " "));

// button does something to the item with the id; one listener on the table acts.
export const button = (label, title, id) =>
  element("button", { type: "button", "aria-label": title, "data-id": id }, label);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

function local(iso) {
  const t = new Date(iso);
  return t.toDateString() === new Date().toDateString() ? clock.format(t) : day.format(t);
}

// time is an instant in the operator's own zone; the title has it in UTC.
export function time(iso) {
  return iso ? element("time", { datetime: iso, title: iso }, local(iso)) : text("");
}

// span is a stretch of time.
export function span(from, to) {
  const s = element("span");
  s.append(time(from), " – ", time(to));
  return s;
}
