// What callers in TypeScript see: this file is compiled, never run.
import { CiroError, InvalidProofError, Verifier, encodeInput, inspectKey, verify, verifyReceipt } from '../npm/index.js';
import type { Verified } from '../npm/index.js';
import { show } from '../npm/show.js';

declare const bytes: Uint8Array;
declare const chosen: File;

export async function all(): Promise<string[]> {
  const verified: Verified = await verify(bytes, chosen, { input: [[1, 2]], context: '00', policy: { minProvenBits: 100 } });
  const values: Float64Array | undefined = verified.samples[0]?.outputs[0]?.values;
  show(verified);
  const hides: boolean = verified.hides;
  const [committed] = verified.samples[0]?.committed ?? [];
  const key = await inspectKey(chosen);
  const { digest } = await encodeInput(bytes, new Float32Array(4) as unknown as Uint8Array);
  const { height } = await verifyReceipt(bytes, bytes, { key: bytes, proof: bytes });
  const verifier = await Verifier.load(bytes);
  // @ts-expect-error There is no such option.
  verifier.verify(bytes, bytes, { inptu: 1 });
  const kinds = key.entries.map((entry) => entry.hides).concat(key.leftOut.map(([, , , hidden]) => hidden));
  return [digest, String(height), String(values?.length), key.modelDigest, String(hides), String(kinds), String(committed?.commitment)];
}

export function code(error: unknown): string {
  if (error instanceof InvalidProofError) return error.check;
  return error instanceof CiroError ? error.code : 'other';
}
