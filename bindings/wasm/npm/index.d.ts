/**
 * A verifier of this package, loaded once.
 * @param {'ciro.wasm' | 'ciro-network.wasm'} [name] The module: `ciro-network.wasm` has the light
 *   client of a network too, for `verifyReceipt`, and is half as large again.
 * @returns {Promise<Verifier>}
 */
export function verifier(name?: "ciro.wasm" | "ciro-network.wasm"): Promise<Verifier>;
/**
 * Verifies a proof against a key; see {@link Verifier.verify}.
 * @param {File} key
 * @param {File} proof
 * @param {VerifyOptions} [options]
 * @returns {Promise<Verified>}
 */
export function verify(key: File, proof: File, options?: VerifyOptions): Promise<Verified>;
/**
 * Says what a key file is for; see {@link Verifier.inspectKey}.
 * @param {File} key
 * @returns {Promise<KeyFile>}
 */
export function inspectKey(key: File): Promise<KeyFile>;
/**
 * Turns an input into integers; see {@link Verifier.encodeInput}.
 * @param {File} key
 * @param {Input} input
 * @param {{ modelKey?: string }} [options]
 * @returns {Promise<EncodedInput>}
 */
export function encodeInput(key: File, input: Input, options?: {
    modelKey?: string;
}): Promise<EncodedInput>;
/**
 * Checks a receipt of a network; see {@link Verifier.verifyReceipt}.
 * @param {File} genesis
 * @param {File} receipt
 * @param {{ key?: File, proof?: File, policy?: Policy, pin?: string }} [options]
 * @returns {Promise<CertifiedReceipt>}
 */
export function verifyReceipt(genesis: File, receipt: File, { key, proof, ...rest }?: {
    key?: File;
    proof?: File;
    policy?: Policy;
    pin?: string;
}): Promise<CertifiedReceipt>;
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
    constructor(code: ErrorCode, message: string, { causes, hint, cause }?: {
        causes?: string[];
        hint?: string | null;
        cause?: unknown;
    });
    /** @type {ErrorCode} What it is about. */
    code: ErrorCode;
    /** @type {string[]} Why, from the outside in. */
    causes: string[];
    /** @type {string | null} What to do about it. */
    hint: string | null;
}
/** The proof does not convince: it is damaged, about something else, or not what it claims. */
export class InvalidProofError extends CiroError {
    /**
     * @param {string} check
     * @param {string} message
     * @param {{ causes?: string[], hint?: string | null }} [more]
     */
    constructor(check: string, message: string, more?: {
        causes?: string[];
        hint?: string | null;
    });
    /** The check that fails, in the word that the command line and Python have for it. */
    check: string;
}
/**
 * The verifier, once its module is loaded: the same calls as the functions of this package, without
 * waiting.
 */
export class Verifier {
    /**
     * Loads the module.
     * @param {URL | string | Bytes | WebAssembly.Module} [source] Where it is, or what it is.
     *   Default: `ciro.wasm` beside this file.
     * @returns {Promise<Verifier>}
     */
    static load(source?: URL | string | Bytes | WebAssembly.Module): Promise<Verifier>;
    /** @param {WebAssembly.Module} module The compiled `ciro.wasm`, which imports nothing. */
    constructor(module: WebAssembly.Module);
    /**
     * Verifies a proof against a key.
     * @param {Bytes} key The key file, from the model's owner.
     * @param {Bytes} proof The `.ciro` file.
     * @param {VerifyOptions} [options] What it has to be about.
     * @returns {Verified} What the proof establishes.
     * @throws {InvalidProofError} unless the proof is valid, and about what was asked.
     * @throws {CiroError} if key, input or options are none.
     */
    verify(key: Bytes, proof: Bytes, options?: VerifyOptions): Verified;
    /**
     * Says what a key file is for.
     * @param {Bytes} key The key file.
     * @returns {KeyFile}
     * @throws {CiroError} if it is none.
     */
    inspectKey(key: Bytes): KeyFile;
    /**
     * Turns an input into the integers that a proof is about.
     * @param {Bytes} key The key file.
     * @param {Input} input The input.
     * @param {{ modelKey?: string }} [options] The entry of the key file, by its digest, where
     *   several would do.
     * @returns {EncodedInput}
     * @throws {CiroError} if the model does not take the input.
     */
    encodeInput(key: Bytes, input: Input, options?: {
        modelKey?: string;
    }): EncodedInput;
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
    verifyReceipt(genesis: Bytes, receipt: Bytes, { key, proof, ...asked }?: {
        key?: Bytes;
        proof?: Bytes;
        policy?: Policy;
        pin?: string;
    }): CertifiedReceipt;
    #private;
}
/**
 * Bytes at hand.
 */
export type Bytes = Uint8Array | ArrayBuffer;
/**
 * Bytes, or a file that somebody chose.
 */
export type File = Bytes | Blob;
/**
 * An input of the model: the bytes of a JSON or `.npy` file, the text of the JSON, or what
 * it holds: one list of numbers, flat or nested, for each input. `NaN` is a missing value.
 */
export type Input = Bytes | string | {
    input_data: Numbers[];
} | Numbers[];
/**
 * Numbers of one input, flat or nested.
 */
export type Numbers = NumberArray | NestedNumbers;
export type NumberArray = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;
export type NestedNumbers = (number | boolean | null | NestedNumbers)[];
/**
 * How much security is asked for, in bits.
 */
export type Policy = {
    /**
     * By the conjecture behind most deployed STARKs. Default: 100.
     */
    minSecurityBits?: number | undefined;
    /**
     * Without any conjecture. Default: 0; the preset `proven` has 100.
     */
    minProvenBits?: number | undefined;
};
/**
 * What a proof has to be about, and how good it has to be.
 */
export type VerifyOptions = {
    /**
     * The input that you ask about. Without it the proof is about the input
     * that the result shows.
     */
    input?: Input | undefined;
    /**
     * What the proof has to be bound to, 64 hexadecimal digits; 64 zeros
     * ask for a proof that is bound to nothing.
     */
    context?: string | undefined;
    /**
     * The bits of security that are asked for.
     */
    policy?: Policy | undefined;
    /**
     * Takes values of `input` outside of the calibrated range for
     * its end, as the model does. Default: false.
     */
    allowClamped?: boolean | undefined;
    /**
     * Opens a commitment to the input, in hexadecimal digits.
     */
    blinding?: string | undefined;
};
/**
 * An input of one inference, as real numbers.
 */
export type ProvenInput = {
    /**
     * The ONNX input's name.
     */
    name: string;
    /**
     * Its shape.
     */
    shape: number[];
    /**
     * Its elements in row-major order, `NaN` where one is
     * missing; `null` if no output depends on it. Texts are codes here.
     */
    values: Float64Array | null;
    /**
     * Its texts, if it is text; `null` for one that the model does
     * not know.
     */
    texts?: (string | null)[] | undefined;
};
/**
 * An output of one inference.
 */
export type ProvenOutput = {
    /**
     * The ONNX output's name.
     */
    name: string;
    /**
     * Its shape.
     */
    shape: number[];
    /**
     * The integers that are proven, in row-major order.
     */
    integers: Int32Array;
    /**
     * What they stand for.
     */
    values: Float64Array;
    /**
     * Class names, one for each element, if the output holds names.
     */
    labels: string[] | null;
};
/**
 * One inference.
 */
export type Sample = {
    /**
     * `null` if the proof only commits to the input.
     */
    inputs: ProvenInput[] | null;
    /**
     * The outputs that are shown, in the model's order.
     */
    outputs: ProvenOutput[];
    /**
     * What the
     * proof commits to instead of showing it, 64 hexadecimal digits each.
     */
    committed: {
        side: "input" | "output";
        name: string;
        commitment: string;
    }[];
};
/**
 * What a valid proof establishes: the model of this key gave these outputs to these inputs.
 */
export type Verified = {
    /**
     * How it was proven.
     */
    route: string;
    /**
     * The security parameters, by name.
     */
    preset: string;
    /**
     * Whether the proof hides what it does not state of inputs and execution. The
     * model is public in any case.
     */
    hides: boolean;
    /**
     * The digest of the key.
     */
    modelKey: string;
    /**
     * The digest of the integer model.
     */
    modelDigest: string;
    /**
     * By the conjecture behind most deployed STARKs.
     */
    securityBits: number;
    /**
     * Without any conjecture.
     */
    provenSecurityBits: number;
    /**
     * What the proof is bound to; `null` if to nothing.
     */
    context: string | null;
    /**
     * Whether that was compared with `context`.
     */
    contextChecked: boolean;
    /**
     * Whether the input was compared with `input`.
     */
    inputChecked: boolean;
    /**
     * Values of `input` that the model sees moved to the end of their
     * range; `null` without `input`.
     */
    clamped: number | null;
    /**
     * One entry for each inference.
     */
    samples: Sample[];
    /**
     * How long it took, in milliseconds.
     */
    verifyMs: number;
};
/**
 * The key for one kind of proof.
 */
export type KeyEntry = {
    /**
     * The digest of the key.
     */
    modelKey: string;
    /**
     * How such proofs are made.
     */
    route: string;
    /**
     * Their security parameters.
     */
    preset: string;
    /**
     * How many inferences one proof is about.
     */
    batch: number;
    /**
     * Whether such proofs hide what they do not state of inputs and execution.
     */
    hides: boolean;
    /**
     * By the conjecture behind most deployed STARKs.
     */
    securityBits: number;
    /**
     * Without any conjecture.
     */
    provenSecurityBits: number;
};
/**
 * What a key file says of its model.
 */
export type KeyFile = {
    /**
     * The digest of the integer model.
     */
    modelDigest: string;
    /**
     * What the model takes.
     */
    inputs: {
        name: string;
        shape: number[];
    }[];
    /**
     *   What the model gives; `names` are the class names of the kind `names`.
     */
    outputs: {
        name: string;
        shape: number[];
        kind: "real" | "integer" | "names";
        names: string[];
    }[];
    /**
     * The kinds of proofs that can be verified here.
     */
    entries: KeyEntry[];
    /**
     * Those that cannot.
     */
    leftOut: [route: string, preset: string, batch: number, hides: boolean][];
};
/**
 * An input as the integers that a proof is about.
 */
export type EncodedInput = {
    /**
     * The entry of the key file that they are for.
     */
    modelKey: string;
    /**
     * What an order uploads.
     */
    statement: Uint8Array;
    /**
     * What an order names.
     */
    digest: string;
    /**
     *   For each inference its integers, and how many values were moved to the end of their range.
     */
    samples: {
        tensors: {
            name: string;
            shape: number[];
            integers: Int32Array;
        }[];
        clamped: [name: string, count: number][];
    }[];
};
/**
 * A receipt that the validators of a network certified.
 */
export type CertifiedReceipt = {
    /**
     * The block whose state holds it.
     */
    height: number;
    /**
     * The receipt, as the network's interface has it.
     */
    receipt: Record<string, any>;
    /**
     * What the job's proof establishes; `null` if none was given.
     */
    proof: Verified | null;
};
export type ErrorCode = "invalid_proof" | "receipt" | "key" | "input" | "genesis" | "argument" | "module" | "stopped";
