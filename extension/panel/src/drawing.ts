// Pieces of the page. All that anybody wrote is set as text, never as HTML.

export type Cell = string | Node;

export function element(tag: string, words: Cell | Cell[] = [], classes = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = classes;
  made.append(...(Array.isArray(words) ? words : [words]));
  return made;
}

/** A part of the panel with a heading; the heading names it to screen readers. */
export function section(title: string, content: Cell[]): HTMLElement {
  const made = element('section', [element('h3', title), ...content]);
  made.setAttribute('aria-label', title);
  return made;
}

export function table(heads: string[], rows: Cell[][], none: string): HTMLElement {
  if (!rows.length) {
    return element('p', none, 'wbp-none');
  }
  const head = element('tr', heads.map(words => element('th', words)));
  const body = rows.map(row => element('tr', row.map(words => element('td', words))));
  return element('table', [element('thead', head), element('tbody', body)]);
}

export function facts(rows: [string, Cell][]): HTMLElement {
  return element('dl', rows.flatMap(([name, words]) => [element('dt', name), element('dd', words)]));
}

export function warning(words: string): HTMLElement {
  const made = element('p', words, 'wbp-warning');
  made.setAttribute('role', 'alert');
  return made;
}

export function button(words: string, label: string, click: () => void): HTMLElement {
  const made = element('button', words, 'jp-mod-styled wbp-button') as HTMLButtonElement;
  made.title = label;
  made.setAttribute('aria-label', label);
  made.addEventListener('click', click);
  return made;
}

/** US dollars, as exact as they must be for a small sum to be seen. */
export function usd(amount: number | null | undefined): string {
  if (amount === null || amount === undefined) {
    return 'unknown';
  }
  if (amount === 0) {
    return '$0';
  }
  return `$${amount >= 0.01 ? amount.toFixed(2) : amount.toPrecision(2)}`;
}

/** How long it is until a time, in the largest unit that says enough. */
export function until(time: string | null): string {
  if (time === null) {
    return 'no end';
  }
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  if (seconds <= 0) {
    return 'ended';
  }
  if (seconds < 120) {
    return `in ${Math.round(seconds)} s`;
  }
  return seconds < 7200 ? `in ${Math.round(seconds / 60)} min` : `in ${Math.round(seconds / 3600)} h`;
}
