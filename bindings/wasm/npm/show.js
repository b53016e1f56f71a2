// @ts-check
/**
 * Shows what a verified proof says: an image as an image, a table as a table, probabilities as bars.
 *
 * Every text from a proof or a key becomes text, never markup.
 * @module
 */

/** @typedef {import('./index.js').Verified} Verified */
/** @typedef {import('./index.js').Sample} Sample */
/** @typedef {import('./index.js').ProvenOutput} ProvenOutput */
/** @typedef {{ name: string, shape: number[], values: Float64Array | null }} Named */

/** What is shown at most of each kind; the rest is counted. */
const SHOWN = { samples: 8, rows: 24, columns: 12, line: 6, bars: 10 };

/** An image has at least so many pixels on each side. */
const SIDE_MIN = 8;

/**
 * Makes an element.
 * @param {string} name `tag.class`.
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const made = document.createElement(/** @type {string} */ (tag));
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * Inputs and outputs of all inferences of a proof.
 * @param {Verified} verified
 * @returns {HTMLElement}
 */
export function show({ samples }) {
  const several = samples.length > 1;
  const shown = samples.slice(0, SHOWN.samples).map((sample, at) => {
    const heading = several ? [element('h3', {}, `Inference ${at + 1} of ${samples.length}`)] : [];
    return element('section.ciro-sample', {}, ...heading, showSample(sample));
  });
  const rest = samples.length - shown.length;
  if (rest > 0) shown.push(element('p.ciro-note', {}, `… and ${plural(rest, 'more inference')}.`));
  return element('div.ciro-samples', {}, ...shown);
}

/** @param {Sample} sample @returns {HTMLElement} */
function showSample({ inputs, outputs }) {
  const committed = 'The proof commits to its input and does not show it.';
  const given = inputs
    ? inputs.map((input) => showTensor(input))
    : [element('p.ciro-note', {}, committed)];
  return element(
    'div.ciro-flow',
    {},
    element('div.ciro-side', {}, element('h4', {}, inputs?.length === 1 ? 'Input' : 'Inputs'), ...given),
    element('div.ciro-side', {}, element('h4', {}, outputs.length === 1 ? 'Output' : 'Outputs'), ...outputs.map(showOutput)),
  );
}

/** @param {ProvenOutput} output @returns {HTMLElement} */
function showOutput(output) {
  if (output.labels) {
    const labels = output.labels.map((label) => element('span.ciro-label', {}, label));
    return figure(output, element('p.ciro-labels', {}, ...labels));
  }
  const rows = probabilities(output);
  if (rows) return figure(output, ...rows.map((row) => bars(row, 'probability')));
  const { values } = output;
  const scores = values.length > 1 && values.length <= 32 && output.shape.at(-1) === values.length;
  return scores ? figure(output, bars(values, 'score')) : showTensor(output);
}

/** @param {Named} tensor @returns {HTMLElement} */
function showTensor(tensor) {
  const { values, shape } = tensor;
  if (!values) {
    return figure(tensor, element('p.ciro-note', {}, 'Any value: no output depends on it.'));
  }
  const [only] = values;
  if (values.length === 1 && only !== undefined) return figure(tensor, element('p.ciro-number', {}, number(only)));
  const image = imageShape(shape, values.length);
  if (!image) return figure(tensor, table(shape, values));
  const numbers = element('details', {}, element('summary', {}, 'The numbers'), table(shape, values));
  return figure(tensor, draw(image, values, tensor.name), numbers);
}

/**
 * @param {Named} tensor
 * @param {...HTMLElement} parts
 * @returns {HTMLElement}
 */
function figure({ name, shape }, ...parts) {
  const size = shape.length ? shape.join(' × ') : 'one number';
  const caption = element('figcaption', {}, element('code', {}, name), ' ', element('span.ciro-shape', {}, size));
  return element('figure.ciro-tensor', {}, caption, ...parts);
}

/**
 * The rows of an output that holds probabilities; `null` if it holds something else.
 * @param {ProvenOutput} output
 * @returns {Float64Array[] | null}
 */
function probabilities({ shape, values }) {
  const classes = shape.at(-1) ?? 1;
  const count = values.length / classes;
  if (classes < 2 || count > SHOWN.samples || !Number.isInteger(count)) return null;
  const rows = Array.from({ length: count }, (_, row) => values.subarray(row * classes, (row + 1) * classes));
  const sums = rows.every((row) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    return row.every((value) => value >= -0.01 && value <= 1.01) && Math.abs(total - 1) < 0.05;
  });
  return sums ? rows : null;
}

/**
 * One bar for each element: a share of one, or a score between the least and the greatest.
 * @param {Float64Array} row
 * @param {'probability' | 'score'} kind
 * @returns {HTMLElement}
 */
function bars(row, kind) {
  const low = kind === 'score' ? Math.min(0, ...row) : 0;
  const high = kind === 'score' ? Math.max(0, ...row) : 1;
  const ranked = Array.from(row, (value, at) => ({ value, at })).sort((a, b) => b.value - a.value || a.at - b.at);
  const shown = ranked.slice(0, SHOWN.bars);
  // The best stands out; the order is that of the classes, as people look for one.
  const best = shown[0]?.at;
  const items = shown
    .sort((a, b) => a.at - b.at)
    .map(({ value, at }) => {
      const share = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0;
      const fill = element('span.ciro-fill');
      fill.style.width = `${(100 * share).toFixed(2)}%`;
      const bar = element('span.ciro-bar', { 'aria-hidden': 'true' }, fill);
      const shown = kind === 'score' ? number(value) : `${(100 * value).toFixed(1)} %`;
      const text = element('span.ciro-share', {}, shown);
      return element(at === best ? 'li.ciro-best' : 'li', {}, element('span.ciro-class', {}, String(at)), bar, text);
    });
  const rest = ranked.length - shown.length;
  const more = rest > 0 ? [element('p.ciro-note', {}, `… and ${plural(rest, 'smaller one')}.`)] : [];
  return element('div', {}, element('ul.ciro-bars', { 'aria-label': `${kind} of each class` }, ...items), ...more);
}

/**
 * Height, width and channels of a tensor that is an image; `null` if it is none.
 * @param {number[]} shape
 * @param {number} count
 * @returns {{ height: number, width: number, channels: number } | null}
 */
function imageShape(shape, count) {
  const axes = shape.filter((extent, at) => extent !== 1 || at >= shape.length - 2);
  const [first = 0, second = 0, third = 0] = axes;
  const large = (/** @type {number} */ height, /** @type {number} */ width) =>
    height >= SIDE_MIN && width >= SIDE_MIN && Math.max(height, width) <= 1024;
  if (axes.length === 3 && first === 3 && large(second, third)) return { height: second, width: third, channels: 3 };
  if (axes.length === 2 && large(first, second)) return { height: first, width: second, channels: 1 };
  // A picture that was made one row for a dense layer.
  const side = Math.sqrt(count);
  const flat = axes.filter((extent) => extent !== 1).length === 1;
  return flat && Number.isInteger(side) && side >= 16 ? { height: side, width: side, channels: 1 } : null;
}

/**
 * @param {{ height: number, width: number, channels: number }} image
 * @param {Float64Array} values
 * @param {string} name
 * @returns {HTMLElement}
 */
function draw({ height, width, channels }, values, name) {
  const label = `${name} as an image of ${width} × ${height} pixels`;
  const canvas = /** @type {HTMLCanvasElement} */ (element('canvas.ciro-image', { role: 'img', 'aria-label': label }));
  [canvas.width, canvas.height] = [width, height];
  const finite = values.filter(Number.isFinite);
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  const scale = high > low ? 255 / (high - low) : 0;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  const pixels = context.createImageData(width, height);
  const plane = width * height;
  for (let at = 0; at < plane; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const value = values[channels === 3 ? channel * plane + at : at] ?? low;
      pixels.data[4 * at + channel] = Number.isFinite(value) ? (value - low) * scale : 0;
    }
    pixels.data[4 * at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * The last axis as columns, all others as rows.
 * @param {number[]} shape
 * @param {Float64Array} values
 * @returns {HTMLElement}
 */
function table(shape, values) {
  const wide = shape.at(-1) ?? 1;
  const flat = wide === values.length;
  // One row is read in lines of a few numbers.
  const columns = Math.min(wide, flat ? SHOWN.line : SHOWN.columns);
  const step = flat ? columns : wide;
  const count = Math.ceil(values.length / step);
  const rows = [];
  for (let row = 0; row < Math.min(count, SHOWN.rows); row += 1) {
    const cells = Array.from(values.subarray(row * step, Math.min(row * step + columns, values.length)), (value) =>
      element('td', {}, number(value)),
    );
    const name = flat ? `${row * step}` : `${row}`;
    rows.push(element('tr', {}, element('th', { scope: 'row' }, name), ...cells));
  }
  const hidden = values.length - rows.reduce((sum, row) => sum + row.children.length - 1, 0);
  const body = element('table.ciro-table', {}, element('tbody', {}, ...rows));
  const scroll = element('div.ciro-scroll', { tabindex: '0', role: 'region', 'aria-label': 'numbers' }, body);
  if (hidden > 0) scroll.append(element('p.ciro-note', {}, `… and ${plural(hidden, 'more number')}.`));
  return scroll;
}

/** @param {number} value @returns {string} */
function number(value) {
  if (Number.isNaN(value)) return 'missing';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(5)));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
