// @ts-check
/**
 * Verifies proofs of AI inference here: no server is asked, and nothing leaves this machine.
 *
 * ```js
 * import { verify } from '@ciro/verify';
 * const proven = await verify(key, proof, { input });   // throws unless the proof is valid
 * proven.samples[0].outputs[0].values;
 * ```
 *
 * The key is what is trusted: it comes from the model's owner, never from whoever made the proof.
 * @module
 */

/** @typedef {Uint8Array | ArrayBuffer} Bytes Bytes at hand. */
/** @typedef {Bytes | Blob} File Bytes, or a file that somebody chose. */

/**
 * An input of the model: the bytes of a JSON or `.npy` file, the text of the JSON, or what
 * it holds: one list of numbers, flat or nested, for each input. `NaN` is a missing value.
 * @typedef {Bytes | string | { input_data: Numbers[] } | Numbers[]} Input
 */
/** @typedef {NumberArray | NestedNumbers} Numbers Numbers of one input, flat or nested. */
/** @typedef {Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array} NumberArray */
/** @typedef {(number | boolean | null | NestedNumbers)[]} NestedNumbers */

/**
 * How much security is asked for, in bits.
 * @typedef {object} Policy
 * @property {number} [minSecurityBits] By the conjecture behind most deployed STARKs. Default: 100.
 * @property {number} [minProvenBits] Without any conjecture. Default: 0; the preset `proven` has 100.
 */

/**
 * What a proof has to be about, and how good it has to be.
 * @typedef {object} VerifyOptions
 * @property {Input} [input] The input that you ask about. Without it the proof is about the input
 *   that the result shows.
 * @property {string} [context] What the proof has to be bound to, 64 hexadecimal digits; 64 zeros
 *   ask for a proof that is bound to nothing.
 * @property {Policy} [policy] The bits of security that are asked for.
 * @property {boolean} [allowClamped] Takes values of `input` outside of the calibrated range for
 *   its end, as the model does. Default: false.
 * @property {string} [blinding] Opens a commitment to the input, in hexadecimal digits.
 */

/**
 * An input of one inference, as real numbers.
 * @typedef {object} ProvenInput
 * @property {string} name The ONNX input's name.
 * @property {number[]} shape Its shape.
 * @property {Float64Array | null} values Its elements in row-major order, `NaN` where one is
 *   missing; `null` if no output depends on it. Texts are codes here.
 * @property {(string | null)[]} [texts] Its texts, if it is text; `null` for one that the model does
 *   not know.
 */

/**
 * An output of one inference.
 * @typedef {object} ProvenOutput
 * @property {string} name The ONNX output's name.
 * @property {number[]} shape Its shape.
 * @property {Int32Array} integers The integers that are proven, in row-major order.
 * @property {Float64Array} values What they stand for.
 * @property {string[] | null} labels Class names, one for each element, if the output holds names.
 */

/**
 * One inference.
 * @typedef {object} Sample
 * @property {ProvenInput[] | null} inputs `null` if the proof only commits to the input.
 * @property {ProvenOutput[]} outputs The outputs that are shown, in the model's order.
 * @property {{ side: 'input' | 'output', name: string, commitment: string }[]} committed What the
 *   proof commits to instead of showing it, 64 hexadecimal digits each.
 */

/**
 * What a valid proof establishes: the model of this key gave these outputs to these inputs.
 * @typedef {object} Verified
 * @property {string} route How it was proven.
 * @property {string} preset The security parameters, by name.
 * @property {boolean} hides Whether the proof hides what it does not state of inputs and execution. The
 *   model is public in any case.
 * @property {string} modelKey The digest of the key.
 * @property {string} modelDigest The digest of the integer model.
 * @property {number} securityBits By the conjecture behind most deployed STARKs.
 * @property {number} provenSecurityBits Without any conjecture.
 * @property {string | null} context What the proof is bound to; `null` if to nothing.
 * @property {boolean} contextChecked Whether that was compared with `context`.
 * @property {boolean} inputChecked Whether the input was compared with `input`.
 * @property {number | null} clamped Values of `input` that the model sees moved to the end of their
 *   range; `null` without `input`.
 * @property {Sample[]} samples One entry for each inference.
 * @property {number} verifyMs How long it took, in milliseconds.
 */

/**
 * The key for one kind of proof.
 * @typedef {object} KeyEntry
 * @property {string} modelKey The digest of the key.
 * @property {string} route How such proofs are made.
 * @property {string} preset Their security parameters.
 * @property {number} batch How many inferences one proof is about.
 * @property {boolean} hides Whether such proofs hide what they do not state of inputs and execution.
 * @property {number} securityBits By the conjecture behind most deployed STARKs.
 * @property {number} provenSecurityBits Without any conjecture.
 */

/**
 * What a key file says of its model.
 * @typedef {object} KeyFile
 * @property {string} modelDigest The digest of the integer model.
 * @property {{ name: string, shape: number[] }[]} inputs What the model takes.
 * @property {{ name: string, shape: number[], kind: 'real' | 'integer' | 'names', names: string[] }[]} outputs
 *   What the model gives; `names` are the class names of the kind `names`.
 * @property {KeyEntry[]} entries The kinds of proofs that can be verified here.
 * @property {[route: string, preset: string, batch: number, hides: boolean][]} leftOut Those that cannot.
 */

/**
 * An input as the integers that a proof is about.
 * @typedef {object} EncodedInput
 * @property {string} modelKey The entry of the key file that they are for.
 * @property {Uint8Array} statement What an order uploads.
 * @property {string} digest What an order names.
 * @property {{ tensors: { name: string, shape: number[], integers: Int32Array }[], clamped: [name: string, count: number][] }[]} samples
 *   For each inference its integers, and how many values were moved to the end of their range.
 */

/**
 * A receipt that the validators of a network certified.
 * @typedef {object} CertifiedReceipt
 * @property {number} height The block whose state holds it.
 * @property {Record<string, any>} receipt The receipt, as the network's interface has it.
 * @property {Verified | null} proof What the job's proof establishes; `null` if none was given.
 */

/** @typedef {'invalid_proof' | 'receipt' | 'key' | 'input' | 'genesis' | 'argument' | 'module' | 'stopped'} ErrorCode */

/**
 * Why there is no result.
 *
 * | `code` | what it is about |
 * |---|---|
 * | `invalid_proof` | the proof: an `InvalidProofError`, whose `check` says more |
 * | `receipt` | the receipt, or the proof that comes with it |
 * | `key`, `input`, `genesis`, `argument` | what the caller gave |
 * | `module` | the module cannot be loaded |
 * | `stopped` | the verifier stopped: nothing is verified |
 */
export class CiroError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{ causes?: string[], hint?: string | null, cause?: unknown }} [more]
   */
  constructor(code, message, { causes = [], hint = null, cause } = {}) {
    super([message, ...causes].join(': '), { cause });
    this.name = 'CiroError';
    /** @type {ErrorCode} What it is about. */
    this.code = code;
    /** @type {string[]} Why, from the outside in. */
    this.causes = causes;
    /** @type {string | null} What to do about it. */
    this.hint = hint;
  }
}

/** The proof does not convince: it is damaged, about something else, or not what it claims. */
export class InvalidProofError extends CiroError {
  /**
   * @param {string} check
   * @param {string} message
   * @param {{ causes?: string[], hint?: string | null }} [more]
   */
  constructor(check, message, more) {
    super('invalid_proof', message, more);
    this.name = 'InvalidProofError';
    /** The check that fails, in the word that the command line and Python have for it. */
    this.check = check;
  }
}

/** The interface of the module that this file is written for. */
const MODULE_VERSION = 1;

// Calls and rooms as `bindings/wasm/src/ask.rs` numbers them.
const CALLS = { verify: 0, inspectKey: 1, encodeInput: 2, verifyReceipt: 3 };
const ROOMS = { asked: 0, key: 1, proof: 2, input: 3, genesis: 4, receipt: 5 };

/** More memory than this is not kept between two calls, in bytes. */
const MEMORY_KEPT = 64 << 20;

/**
 * The verifier, once its module is loaded: the same calls as the functions of this package, without
 * waiting.
 */
export class Verifier {
  /** @type {WebAssembly.Module} */
  #module;
  /** @type {any} What the instance exports; `null` until the next call. */
  #exports = null;

  /** @param {WebAssembly.Module} module The compiled `ciro.wasm`, which imports nothing. */
  constructor(module) {
    this.#module = module;
    const version = this.#instance().ciro_version?.();
    if (version !== MODULE_VERSION) {
      throw new CiroError('module', 'the module is not the one that belongs to this script');
    }
  }

  /**
   * Loads the module.
   * @param {URL | string | Bytes | WebAssembly.Module} [source] Where it is, or what it is.
   *   Default: `ciro.wasm` beside this file.
   * @returns {Promise<Verifier>}
   */
  static async load(source = new URL('./ciro.wasm', import.meta.url)) {
    try {
      if (source instanceof WebAssembly.Module) return new Verifier(source);
      const located = typeof source === 'string' || source instanceof URL;
      const bytes = located ? await fetched(source) : source;
      return new Verifier(await WebAssembly.compile(/** @type {BufferSource} */ (bytes)));
    } catch (cause) {
      if (cause instanceof CiroError) throw cause;
      throw new CiroError('module', 'the module cannot be loaded', { causes: [String(cause)], cause });
    }
  }

  /**
   * Verifies a proof against a key.
   * @param {Bytes} key The key file, from the model's owner.
   * @param {Bytes} proof The `.ciro` file.
   * @param {VerifyOptions} [options] What it has to be about.
   * @returns {Verified} What the proof establishes.
   * @throws {InvalidProofError} unless the proof is valid, and about what was asked.
   * @throws {CiroError} if key, input or options are none.
   */
  verify(key, proof, options = {}) {
    const { input, ...asked } = options;
    const start = performance.now();
    const found = this.#call('verify', { key, proof, input: encodedInput(input), asked: encodedOptions(asked) });
    return { ...decodedProof(found), verifyMs: performance.now() - start };
  }

  /**
   * Says what a key file is for.
   * @param {Bytes} key The key file.
   * @returns {KeyFile}
   * @throws {CiroError} if it is none.
   */
  inspectKey(key) {
    return this.#call('inspectKey', { key });
  }

  /**
   * Turns an input into the integers that a proof is about.
   * @param {Bytes} key The key file.
   * @param {Input} input The input.
   * @param {{ modelKey?: string }} [options] The entry of the key file, by its digest, where
   *   several would do.
   * @returns {EncodedInput}
   * @throws {CiroError} if the model does not take the input.
   */
  encodeInput(key, input, options = {}) {
    const asked = encodedOptions(options);
    const found = this.#call('encodeInput', { key, input: encodedInput(input), asked });
    for (const sample of found.samples) {
      for (const tensor of sample.tensors) tensor.integers = Int32Array.from(tensor.integers);
    }
    return { ...found, statement: fromHex(found.statement) };
  }

  /**
   * Checks that the validators of a network certified a receipt: the genesis alone decides. With
   * key and proof, checks too that the proof is the one of the receipt, and valid. It takes the
   * module `ciro-network.wasm`.
   * @param {Bytes} genesis The network's genesis, from whom you trust.
   * @param {Bytes} receipt The receipt, as the network gives it out.
   * @param {{ key?: Bytes, proof?: Bytes, policy?: Policy, pin?: string }} [options] The key file, or
   *   the one key that the model has on the network, and the `.ciro` file; and who votes in an
   *   epoch, from whom you trust: `EPOCH:0xDIGEST`, as `ciro network show` prints it. Without a pin
   *   the keys of all validators that there ever were are trusted.
   * @returns {CertifiedReceipt}
   * @throws {CiroError} unless the receipt is certified.
   */
  verifyReceipt(genesis, receipt, { key, proof, ...asked } = {}) {
    const start = performance.now();
    const found = this.#call('verifyReceipt', { genesis, receipt, key, proof, asked: encodedOptions(asked) });
    if (found.proof) found.proof = { ...decodedProof(found.proof), verifyMs: performance.now() - start };
    return found;
  }

  /** @returns {any} */
  #instance() {
    this.#exports ??= new WebAssembly.Instance(this.#module, {}).exports;
    return this.#exports;
  }

  /**
   * @param {keyof typeof CALLS} call
   * @param {Partial<Record<keyof typeof ROOMS, Bytes | undefined>>} given
   * @returns {any}
   */
  #call(call, given) {
    /** @type {[number, Uint8Array][]} */
    const rooms = [];
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) continue;
      rooms.push([ROOMS[/** @type {keyof typeof ROOMS} */ (name)], bytesOf(name, value)]);
    }
    const text = this.#answered(CALLS[call], rooms);
    const answer = JSON.parse(text);
    if (answer.error) throw failure(answer.error);
    if (!answer.ok) throw new CiroError('stopped', 'the verifier gave no answer: nothing is verified');
    return answer.ok;
  }

  /**
   * A panic in the module is a trap, after which its memory is not to be used again.
   * @param {number} call
   * @param {[number, Uint8Array][]} rooms
   */
  #answered(call, rooms) {
    try {
      const module = this.#instance();
      for (const [room, bytes] of rooms) {
        // No address: more bytes than the module takes, which its answer says.
        const address = module.ciro_room(room, bytes.length) >>> 0;
        if (address !== 0) new Uint8Array(module.memory.buffer, address, bytes.length).set(bytes);
      }
      if (module.ciro_call(call) !== 1) throw new Error('this module does not have that call');
      const answer = new Uint8Array(module.memory.buffer, module.ciro_answer() >>> 0, module.ciro_answer_len() >>> 0);
      const text = new TextDecoder('utf-8', { fatal: true }).decode(answer);
      if (module.memory.buffer.byteLength > MEMORY_KEPT) this.#exports = null;
      return text;
    } catch (cause) {
      this.#exports = null;
      const causes = [cause instanceof Error ? cause.message : String(cause)];
      throw new CiroError('stopped', 'the verifier stopped: nothing is verified', { causes, cause });
    }
  }
}

/** @type {Map<string, Promise<Verifier>>} */
const loaded = new Map();

/**
 * A verifier of this package, loaded once.
 * @param {'ciro.wasm' | 'ciro-network.wasm'} [name] The module: `ciro-network.wasm` has the light
 *   client of a network too, for `verifyReceipt`, and is half as large again.
 * @returns {Promise<Verifier>}
 */
export function verifier(name = 'ciro.wasm') {
  let known = loaded.get(name);
  if (!known) {
    // Spelled out, so that bundlers find both files.
    const [small, large] = [new URL('./ciro.wasm', import.meta.url), new URL('./ciro-network.wasm', import.meta.url)];
    known = Verifier.load(name === 'ciro.wasm' ? small : large);
    loaded.set(name, known);
    // A failure is not kept: the next call tries again.
    known.catch(() => loaded.delete(name));
  }
  return known;
}

/**
 * Verifies a proof against a key; see {@link Verifier.verify}.
 * @param {File} key
 * @param {File} proof
 * @param {VerifyOptions} [options]
 * @returns {Promise<Verified>}
 */
export async function verify(key, proof, options) {
  return (await verifier()).verify(await read(key), await read(proof), options);
}

/**
 * Says what a key file is for; see {@link Verifier.inspectKey}.
 * @param {File} key
 * @returns {Promise<KeyFile>}
 */
export async function inspectKey(key) {
  return (await verifier()).inspectKey(await read(key));
}

/**
 * Turns an input into integers; see {@link Verifier.encodeInput}.
 * @param {File} key
 * @param {Input} input
 * @param {{ modelKey?: string }} [options]
 * @returns {Promise<EncodedInput>}
 */
export async function encodeInput(key, input, options) {
  return (await verifier()).encodeInput(await read(key), input, options);
}

/**
 * Checks a receipt of a network; see {@link Verifier.verifyReceipt}.
 * @param {File} genesis
 * @param {File} receipt
 * @param {{ key?: File, proof?: File, policy?: Policy, pin?: string }} [options]
 * @returns {Promise<CertifiedReceipt>}
 */
export async function verifyReceipt(genesis, receipt, { key, proof, ...rest } = {}) {
  const files = { key: key && (await read(key)), proof: proof && (await read(proof)) };
  const light = await verifier('ciro-network.wasm');
  return light.verifyReceipt(await read(genesis), await read(receipt), { ...rest, ...files });
}

/** @param {File} file @returns {Promise<Bytes>} */
async function read(file) {
  return typeof Blob !== 'undefined' && file instanceof Blob ? file.arrayBuffer() : /** @type {Bytes} */ (file);
}

/** @param {URL | string} source @returns {Promise<Bytes>} */
async function fetched(source) {
  const url = new URL(source, import.meta.url);
  if (url.protocol === 'file:' && 'process' in globalThis) {
    // Node's `fetch` reads no files. The name is hidden from bundlers, which would look for it.
    const name = 'node:fs/promises';
    const { readFile } = await import(name);
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.arrayBuffer();
}

/** @param {string} name @param {unknown} value @returns {Uint8Array} */
function bytesOf(name, value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new CiroError('argument', `the ${name} is not bytes: expected a Uint8Array or an ArrayBuffer`);
}

/** @param {Omit<VerifyOptions, 'input'> & { modelKey?: string }} options @returns {Uint8Array} */
function encodedOptions({ policy = {}, ...rest }) {
  return new TextEncoder().encode(JSON.stringify({ ...policy, ...rest }));
}

/** @param {Input | undefined} input @returns {Bytes | undefined} */
function encodedInput(input) {
  if (input === undefined || input instanceof ArrayBuffer || input instanceof Uint8Array) return input;
  if (typeof input === 'string') return new TextEncoder().encode(input);
  const held = Array.isArray(input) ? { input_data: input } : input;
  const text = JSON.stringify(held, (_, value) => {
    if (ArrayBuffer.isView(value)) return Array.from(/** @type {any} */ (value), finite);
    return typeof value === 'number' ? finite(value) : value;
  });
  return new TextEncoder().encode(text);
}

/** JSON knows no infinity, and would take it for a missing value. @param {number} value */
function finite(value) {
  if (value === Infinity || value === -Infinity) {
    throw new CiroError('input', `the input holds ${value}: only finite numbers can be proven`);
  }
  return value;
}

/** @param {any} found @returns {any} */
function decodedProof(found) {
  for (const { inputs, outputs } of found.samples) {
    for (const input of inputs ?? []) if (input.values) input.values = reals(input.values);
    for (const output of outputs) {
      output.values = reals(output.values);
      output.integers = Int32Array.from(output.integers);
    }
  }
  return found;
}

/** @param {(number | null)[]} values @returns {Float64Array} */
function reals(values) {
  return Float64Array.from(values, (value) => value ?? NaN);
}

/** @param {string} digits @returns {Uint8Array} */
function fromHex(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** @param {{ code: ErrorCode, check: string | null, message: string, causes: string[], hint: string | null }} error */
function failure({ code, check, message, ...more }) {
  return check ? new InvalidProofError(check, message, more) : new CiroError(code, message, more);
}
