/**
 * Makes an element.
 * @param {string} name `tag.class`.
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(name: string, attributes?: Record<string, string>, ...children: (Node | string)[]): HTMLElement;
/**
 * Inputs and outputs of all inferences of a proof.
 * @param {Verified} verified
 * @returns {HTMLElement}
 */
export function show({ samples }: Verified): HTMLElement;
/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function plural(count: number, one: string, many?: string): string;
export type Verified = import("./index.js").Verified;
export type Sample = import("./index.js").Sample;
export type ProvenOutput = import("./index.js").ProvenOutput;
export type Named = {
    name: string;
    shape: number[];
    values: Float64Array | null;
};
