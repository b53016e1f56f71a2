//! The statement: a context, the integers of inputs and outputs, and commitments to those that are
//! not shown.
use super::blake::{Channel, ChannelTrait, Digest, append_digest, pad};
use super::field::{Q, ZERO, mul, mul_add, pack, unpack_into, unpack_sum};
use super::key::{Key, Run, committed, pop, split};

/// The statement, once it is read.
#[derive(Copy, Drop)]
pub struct Values {
    /// In the order of the trace, with zeros behind them up to a multiple of eight.
    pub words: Span<u32>,
    pub context: felt252,
    /// The felts that hold the integers of inputs and of outputs, eight a felt, and behind them
    /// their commitments, one a felt.
    pub inputs: Span<felt252>,
    pub outputs: Span<felt252>,
}

/// Mixes the statement in, whose integers have to be such as the model takes and gives.
#[inline(never)]
pub fn read(key: Box<Key>, ref data: Span<felt252>, ref channel: Channel) -> Values {
    let k = key.unbox();
    let context = pop(ref data);
    channel.mix_digest(context_bytes(context));
    let (inputs, outputs) = (k.batch * count(k.inputs), k.batch * count(k.outputs));
    let (of_inputs, of_outputs) = (committed(k.inputs), committed(k.outputs));
    let n = inputs + outputs + 8 * k.batch * (of_inputs + of_outputs);
    channel.mix_u64(n, 0);
    let mut out = array![];
    append_digest(ref out, channel.digest);
    let inputs = unpack_some(ref out, ref data, inputs);
    let outputs = unpack_some(ref out, ref data, outputs);
    let (inputs, outputs) = commitments(
        ref out, ref data, k.batch, (inputs, of_inputs), (outputs, of_outputs),
    );
    pad(ref out);
    let words = out.span();
    // stwo mixes four values at a time.
    channel.mix_prefixed(words, 32 + (n + 3) / 4 * 16);
    let mut values = words.slice(8, n);
    check_runs(ref values, k.inputs, k.batch);
    check_runs(ref values, k.outputs, k.batch);
    Values { words: words.slice(8, (n + 7) / 8 * 8), context, inputs, outputs }
}

/// The words of a felt's big-endian bytes, each little-endian.
#[inline(never)]
pub fn context_bytes(context: felt252) -> Digest {
    let context: u256 = context.into();
    let (a, b, c, d) = swapped(context.high);
    let (e, f, g, h) = swapped(context.low);
    BoxTrait::new([a, b, c, d, e, f, g, h])
}
/// The words of a number from the top, with their bytes turned round.
fn swapped(x: u128) -> (u32, u32, u32, u32) {
    let (rest, d) = DivRem::div_rem(x, 0x100000000);
    let (rest, c) = DivRem::div_rem(rest, 0x100000000);
    let (a, b) = DivRem::div_rem(rest, 0x100000000);
    (swap(a), swap(b), swap(c), swap(d))
}
fn swap(x: u128) -> u32 {
    let (rest, d) = DivRem::div_rem(x, 0x100);
    let (rest, c) = DivRem::div_rem(rest, 0x100);
    let (a, b) = DivRem::div_rem(rest, 0x100);
    (d * 0x1000000 + c * 0x10000 + b * 0x100 + a).try_into().expect('word')
}

#[inline(never)]
fn count(mut runs: Span<Run>) -> u32 {
    let mut n: u32 = 0;
    while let Option::Some(run) = runs.pop_front() {
        if *run.kind != 3 {
            n += *run.count;
        }
    };
    n
}
/// Appends what the trace hands out for commitments, sample by sample, inputs before outputs;
/// returns the felts of inputs and of outputs with those of their commitments behind them.
#[inline(never)]
fn commitments(
    ref out: Array<u32>,
    ref data: Span<felt252>,
    batch: u32,
    inputs: (Span<felt252>, u32),
    outputs: (Span<felt252>, u32),
) -> (Span<felt252>, Span<felt252>) {
    let (inputs, of_inputs) = inputs;
    let (outputs, of_outputs) = outputs;
    if of_inputs + of_outputs == 0 {
        return (inputs, outputs);
    }
    let (mut all_inputs, mut all_outputs) = (array![], array![]);
    all_inputs.append_span(inputs);
    all_outputs.append_span(outputs);
    let mut left = batch;
    while left != 0 {
        let felts = split(ref data, of_inputs);
        all_inputs.append_span(felts);
        negate(ref out, felts);
        let felts = split(ref data, of_outputs);
        all_outputs.append_span(felts);
        negate(ref out, felts);
        left -= 1;
    };
    (all_inputs.span(), all_outputs.span())
}
/// Appends the negated elements of commitments.
#[inline(never)]
fn negate(ref out: Array<u32>, mut felts: Span<felt252>) {
    let mut words = array![];
    while let Option::Some(x) = felts.pop_front() {
        unpack_into(ref words, *x);
    };
    let mut words = words.span();
    while let Option::Some(word) = words.pop_front() {
        assert(*word != 0x7fffffff, 'canonical');
        out.append(if *word == 0 {
            0
        } else {
            0x7fffffff - *word
        });
    };
}
/// Appends `n` words of the next felts, which hold no others; returns those felts.
#[inline(never)]
fn unpack_some(ref out: Array<u32>, ref data: Span<felt252>, n: u32) -> Span<felt252> {
    let felts = split(ref data, (n + 7) / 8);
    let (full, rest) = DivRem::div_rem(n, 8);
    let mut some = felts.slice(0, full);
    while let Option::Some(x) = some.pop_front() {
        unpack_into(ref out, *x);
    };
    if rest != 0 {
        let mut last = array![];
        unpack_into(ref last, *felts[full]);
        let mut last = last.span();
        let mut left = rest;
        while let Option::Some(word) = last.pop_front() {
            if left != 0 {
                out.append(*word);
                left -= 1;
            } else {
                assert(*word == 0, 'padding');
            }
        };
    }
    felts
}

#[inline(never)]
fn check_runs(ref values: Span<u32>, runs: Span<Run>, batch: u32) {
    let mut left = batch;
    while left != 0 {
        let mut rest = runs;
        while let Option::Some(run) = rest.pop_front() {
            let Run { count, kind, low, width } = *run;
            if kind == 0 {
                check_interval(ref values, count, low, width);
            } else if kind != 3 {
                check_images(ref values, count / 2, kind == 2);
            }
        };
        left -= 1;
    };
}
/// Residues of the integers from `low - 2^30` to `low - 2^30 + width`.
#[inline(never)]
fn check_interval(ref values: Span<u32>, count: u32, low: u32, width: u32) {
    let offset: u32 = if low <= 0x40000000 { 0x40000000 - low } else { 0xbfffffff - low };
    let mut left: felt252 = count.into();
    while left != 0 {
        let value = *values.pop_front().expect('values');
        assert(value != 0x7fffffff, 'canonical');
        let distance: u32 = value + offset;
        let distance = if distance >= 0x7fffffff { distance - 0x7fffffff } else { distance };
        assert(distance <= width, 'interval');
        left -= 1;
    };
}
/// The largest image of a finite float32, and that of a missing value.
const IMAGE_MAX: u64 = 0x7f7fffff;
const IMAGE_MISSING: u64 = 0x7f800001;

/// Pairs of limbs, high and low, whose image is that of a float32.
#[inline(never)]
fn check_images(ref values: Span<u32>, pairs: u32, missing: bool) {
    let mut left = pairs;
    while left != 0 {
        let high: u64 = (*values.pop_front().expect('values')).into();
        let low: u64 = (*values.pop_front().expect('values')).into();
        assert(high != 0x7fffffff, 'canonical');
        assert(low < 0x10000, 'interval');
        if high < 0x40000000 {
            let image = high * 0x10000 + low;
            assert(image <= IMAGE_MAX || (missing && image == IMAGE_MISSING), 'interval');
        } else {
            let image = (0x7fffffff - high) * 0x10000 - low;
            assert(image <= IMAGE_MAX, 'interval');
        }
        left -= 1;
    };
}

/// sum_i t^i values[i], eight values at a time.
#[inline(never)]
pub fn public_total(values: Span<u32>, t: Q) -> Q {
    let t2 = mul(t, t);
    let t3 = mul(t2, t);
    let t4 = mul(t2, t2);
    let (a1, b1) = pack(t);
    let (a2, b2) = pack(t2);
    let (a3, b3) = pack(t3);
    let (a4, b4) = pack(t4);
    let (a5, b5) = pack(mul(t4, t));
    let (a6, b6) = pack(mul(t4, t2));
    let (a7, b7) = pack(mul(t4, t3));
    let t8 = mul(t4, t4);
    let powers = BoxTrait::new([a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6, a7, b7]);
    let mut sum = ZERO;
    let mut values = values;
    while let Option::Some(group) = values.multi_pop_back::<8>() {
        let [v0, v1, v2, v3, v4, v5, v6, v7] = (*group).unbox();
        let [a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6, a7, b7] = powers.unbox();
        let (v0, v1): (felt252, felt252) = (v0.into(), v1.into());
        let (v2, v3): (felt252, felt252) = (v2.into(), v3.into());
        let (v4, v5): (felt252, felt252) = (v4.into(), v5.into());
        let (v6, v7): (felt252, felt252) = (v6.into(), v7.into());
        let low = v0 + v1 * a1 + v2 * a2 + v3 * a3 + v4 * a4 + v5 * a5 + v6 * a6 + v7 * a7;
        let high = v1 * b1 + v2 * b2 + v3 * b3 + v4 * b4 + v5 * b5 + v6 * b6 + v7 * b7;
        sum = mul_add(sum, t8, unpack_sum(low, high));
    };
    sum
}
