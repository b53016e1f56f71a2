//! Blake2s over words, the transcript, authentication paths.
use core::blake::{blake2s_compress, blake2s_finalize};
use core::integer::{U128sFromFelt252Result, u128s_from_felt252, upcast};
use core::internal::bounded_int::{self, BoundedInt, DivRemHelper, UnitInt};
use super::field::{Q, pow2, reduce_u32};

pub type Digest = Box<[u32; 8]>;

pub fn iv() -> Digest {
    // Blake2s' own, with the parameters of a digest of 32 bytes without a key.
    BoxTrait::new(
        [
            0x6B08E647, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB,
            0x5BE0CD19,
        ],
    )
}
impl D16 of DivRemHelper<u32, UnitInt<16>> {
    type DivT = BoundedInt<0, 0xfffffff>;
    type RemT = BoundedInt<0, 15>;
}
impl D2 of DivRemHelper<u32, UnitInt<2>> {
    type DivT = BoundedInt<0, 0x7fffffff>;
    type RemT = BoundedInt<0, 1>;
}
impl D8 of DivRemHelper<u32, UnitInt<8>> {
    type DivT = BoundedInt<0, 0x1fffffff>;
    type RemT = BoundedInt<0, 7>;
}
impl D4 of DivRemHelper<u32, UnitInt<4>> {
    type DivT = BoundedInt<0, 0x3fffffff>;
    type RemT = BoundedInt<0, 3>;
}
pub fn half(x: u32) -> (u32, felt252) {
    let (q, r) = bounded_int::div_rem::<_, UnitInt<2>>(x, 2);
    (upcast(q), upcast(r))
}
pub fn divrem8(x: u32) -> (u32, felt252) {
    let (q, r) = bounded_int::div_rem::<_, UnitInt<8>>(x, 8);
    (upcast(q), upcast(r))
}
pub fn divrem4(x: u32) -> (u32, felt252) {
    let (q, r) = bounded_int::div_rem::<_, UnitInt<4>>(x, 4);
    (upcast(q), upcast(r))
}

/// The hash of the first `bytes` bytes of `words`, which zeros pad to a multiple of 16.
pub fn hash_blocks(mut words: Span<u32>, bytes: u32) -> Digest {
    let mut state = iv();
    let mut count: u32 = 64;
    let mut next = words.multi_pop_front::<16>();
    loop {
        let block = match next { Option::Some(block) => *block, Option::None => { break; } };
        next = words.multi_pop_front::<16>();
        if next.is_none() {
            state = blake2s_finalize(state, bytes, block);
        } else {
            state = blake2s_compress(state, count, block);
        }
        count += 64;
    };
    state
}
/// Appends zeros up to a multiple of 16.
pub fn pad(ref words: Array<u32>) {
    let (_, r) = bounded_int::div_rem::<_, UnitInt<16>>(words.len(), 16);
    let r: felt252 = upcast(r);
    if r == 0 { return; }
    let mut k = 16 - r;
    while k != 0 {
        words.append(0);
        k -= 1;
    };
}
pub fn append_digest(ref words: Array<u32>, digest: Digest) {
    let [a, b, c, d, e, f, g, h] = digest.unbox();
    words.append(a);
    words.append(b);
    words.append(c);
    words.append(d);
    words.append(e);
    words.append(f);
    words.append(g);
    words.append(h);
}
#[inline(never)]
pub fn pair(left: Digest, right: Digest) -> Digest {
    let [a, b, c, d, e, f, g, h] = left.unbox();
    let [i, j, k, l, m, n, o, p] = right.unbox();
    blake2s_finalize(iv(), 64, BoxTrait::new([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]))
}

/// What stwo hashes before proofs of work.
const PREFIX: u32 = 0x12345678;

#[inline(always)]
fn is_fair(word: u32) -> bool {
    word < 0xfffffffe
}

#[inline(never)]
fn with_u64(digest: Digest, low: u32, high: u32) -> Digest {
    let [a, b, c, d, e, f, g, h] = digest.unbox();
    blake2s_finalize(
        iv(), 40, BoxTrait::new([a, b, c, d, e, f, g, h, low, high, 0, 0, 0, 0, 0, 0]),
    )
}

/// The transcript: stwo's Blake2s channel.
#[derive(Copy, Drop)]
pub struct Channel {
    pub digest: Digest,
    pub draws: u32,
}

#[generate_trait]
pub impl ChannelImpl of ChannelTrait {
    fn new() -> Channel { Channel { digest: BoxTrait::new([0, 0, 0, 0, 0, 0, 0, 0]), draws: 0 } }
    fn set(ref self: Channel, digest: Digest) { self = Channel { digest, draws: 0 }; }
    fn mix_digest(ref self: Channel, root: Digest) { self.set(pair(self.digest, root)); }
    fn mix_words(ref self: Channel, w: [u32; 8]) {
        self.set(pair(self.digest, BoxTrait::new(w)));
    }
    fn mix_u64(ref self: Channel, low: u32, high: u32) {
        self.set(with_u64(self.digest, low, high));
    }
    /// `words` begins with the digest and is padded; `bytes` is its length without the padding.
    fn mix_prefixed(ref self: Channel, words: Span<u32>, bytes: u32) {
        self.set(hash_blocks(words, bytes));
    }
    fn draw(ref self: Channel) -> Digest {
        let [a, b, c, d, e, f, g, h] = self.digest.unbox();
        let n = self.draws;
        self.draws = n + 1;
        blake2s_finalize(iv(), 37, BoxTrait::new([a, b, c, d, e, f, g, h, n, 0, 0, 0, 0, 0, 0, 0]))
    }
    /// As stwo, draws again where a word would be one of the two residues that come up more often.
    fn draw_q(ref self: Channel) -> Q {
        loop {
            let [a, b, c, d, e, f, g, h] = self.draw().unbox();
            if is_fair(a) && is_fair(b) && is_fair(c) && is_fair(d) {
                if is_fair(e) && is_fair(f) && is_fair(g) && is_fair(h) {
                    break Q {
                        a: reduce_u32(a), b: reduce_u32(b), c: reduce_u32(c), d: reduce_u32(d),
                    };
                }
            }
        }
    }
    /// A proof of work before the next challenges, if they cost any.
    fn pay(ref self: Channel, bits: u32, ref nonces: Span<felt252>, error: felt252) {
        if bits != 0 {
            self.work(bits, *nonces.pop_front().expect('nonces'), error);
        }
    }
    /// Mixes a nonce in that makes `bits` bits of a hash zero.
    fn work(ref self: Channel, bits: u32, nonce: felt252, error: felt252) {
        let nonce: u64 = nonce.try_into().expect('nonce');
        let (high, low) = DivRem::div_rem(nonce, 0x100000000);
        let (low, high): (u32, u32) = (low.try_into().unwrap(), high.try_into().unwrap());
        if bits != 0 {
            let [a, b, c, d, e, f, g, h] = self.digest.unbox();
            let prefix = blake2s_finalize(
                iv(), 52, BoxTrait::new([PREFIX, 0, 0, 0, a, b, c, d, e, f, g, h, bits, 0, 0, 0]),
            );
            let [word, _, _, _, _, _, _, _] = with_u64(prefix, low, high).unbox();
            let power: u32 = pow2(bits).try_into().expect('bits');
            assert(word % power == 0, error);
        }
        self.set(with_u64(self.digest, low, high));
    }
}

// Hashes of the proof: 31 bytes in a felt, and the last bytes of 31 hashes in one more.

const NZ64: NonZero<UnitInt<0x10000000000000000>> = 0x10000000000000000;
const NZ32: NonZero<UnitInt<0x100000000>> = 0x100000000;
impl H64 of DivRemHelper<u128, UnitInt<0x10000000000000000>> {
    type DivT = Bits64;
    type RemT = Bits64;
}
impl H32 of DivRemHelper<Bits64, UnitInt<0x100000000>> {
    type DivT = BoundedInt<0, 0xffffffff>;
    type RemT = BoundedInt<0, 0xffffffff>;
}
type Bits64 = BoundedInt<0, 0xffffffffffffffff>;
impl H8 of DivRemHelper<u128, UnitInt<256>> {
    type DivT = BoundedInt<0, 0xffffffffffffffffffffffffffffff>;
    type RemT = BoundedInt<0, 255>;
}

#[derive(Copy, Drop)]
pub struct Hashes {
    pub low: Span<felt252>,
    pub top: Span<felt252>,
}

#[generate_trait]
pub impl HashesImpl of HashesTrait {
    fn next(ref self: Hashes) -> Digest {
        let x = *self.low.pop_front().expect('hash');
        let t = *self.top.pop_front().expect('hash');
        let (hi, lo): (u128, u128) = match u128s_from_felt252(x) {
            U128sFromFelt252Result::Narrow(v) => (0, v),
            U128sFromFelt252Result::Wide(w) => w,
        };
        // 248 bits in all, so that a hash has one form.
        assert(hi < 0x1000000000000000000000000000000, 'hash');
        let hi: felt252 = hi.into();
        let hi: u128 = match u128s_from_felt252(hi + t * 0x1000000000000000000000000000000) {
            U128sFromFelt252Result::Narrow(v) => v,
            U128sFromFelt252Result::Wide(_) => core::panic_with_felt252('hash'),
        };
        let (h1, l1) = bounded_int::div_rem(lo, NZ64);
        let (w1, w0) = bounded_int::div_rem(l1, NZ32);
        let (w3, w2) = bounded_int::div_rem(h1, NZ32);
        let (h2, l2) = bounded_int::div_rem(hi, NZ64);
        let (w5, w4) = bounded_int::div_rem(l2, NZ32);
        let (w7, w6) = bounded_int::div_rem(h2, NZ32);
        BoxTrait::new(
            [
                upcast(w0), upcast(w1), upcast(w2), upcast(w3), upcast(w4), upcast(w5), upcast(w6),
                upcast(w7),
            ],
        )
    }
}
/// The bytes of felts that hold 31 bytes each, low byte first.
pub fn unpack_bytes(mut felts: Span<felt252>) -> Array<felt252> {
    let mut out = array![];
    while let Option::Some(x) = felts.pop_front() {
        let (hi, lo): (u128, u128) = match u128s_from_felt252(*x) {
            U128sFromFelt252Result::Narrow(v) => (0, v),
            U128sFromFelt252Result::Wide(w) => w,
        };
        bytes_of(ref out, lo, 16);
        bytes_of(ref out, hi, 15);
    };
    out
}
fn bytes_of(ref out: Array<felt252>, x: u128, n: felt252) {
    let mut x = x;
    let mut k = n;
    while k != 0 {
        let (q, r) = bounded_int::div_rem::<_, UnitInt<256>>(x, 256);
        out.append(upcast(r));
        x = upcast(q);
        k -= 1;
    };
    assert(x == 0, 'bytes');
}

// Authentication paths.

#[derive(Copy, Drop)]
pub struct Node {
    pub at: u32,
    pub hash: Digest,
}

/// Goes from some leaves (ascending positions) to the root.
pub fn root_of(leaves: Array<Node>, height: u32, ref hashes: Hashes) -> Digest {
    let mut layer = leaves;
    let mut k = height;
    while k != 0 {
        layer = parents(layer, ref hashes);
        k -= 1;
    };
    let root = *layer.at(0);
    assert(layer.len() == 1, 'one root');
    root.hash
}
fn parents(layer: Array<Node>, ref hashes: Hashes) -> Array<Node> {
    let mut out = array![];
    let mut nodes = layer.span();
    let mut next = nodes.pop_front();
    while let Option::Some(node) = next {
        let Node { at, hash } = *node;
        next = nodes.pop_front();
        let (parent, bit) = half(at);
        if bit == 0 {
            let right = match next {
                Option::Some(other) => {
                    if *other.at == at + 1 {
                        let hash = *other.hash;
                        next = nodes.pop_front();
                        hash
                    } else { hashes.next() }
                },
                Option::None => hashes.next(),
            };
            out.append(Node { at: parent, hash: pair(hash, right) });
        } else {
            let left = hashes.next();
            out.append(Node { at: parent, hash: pair(left, hash) });
        }
    };
    out
}
pub fn assert_same(a: Digest, b: Digest, error: felt252) {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = a.unbox();
    let [b0, b1, b2, b3, b4, b5, b6, b7] = b.unbox();
    let first = a0 == b0 && a1 == b1 && a2 == b2 && a3 == b3;
    assert(first && a4 == b4 && a5 == b5 && a6 == b6 && a7 == b7, error);
}
