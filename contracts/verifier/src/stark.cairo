//! The verifier: key, statement and proof, in the order of the transcript.
use super::air::balance::{Others, others, reads_last};
use super::air::columns::{Cursor, split_words};
use super::air::evaluate as evaluate_chip;
use super::air::events::Context;
use super::blake::{
    Channel, ChannelTrait, Digest, Hashes, HashesTrait, Node, append_digest, assert_same, pad,
    root_of, unpack_bytes,
};
use super::circle::{QPt, at_position, qdouble_x, random_point};
use super::field::{
    Q, ZERO, combine, eq, mul, mul_add, pop_q, pow2, powers, unpack_into, unpack_sum,
};
use super::fri::{self, Value};
use super::key::{self, Key, pop, pop32, split};
use super::pcs;
use super::policy::assert_strong;
use super::statement::{self, Values, public_total};

/// The Blake2s digest of "ciro tensor stark v3".
const PROTOCOL: [u32; 8] = [
    0x7ee41272, 0x26e8a38f, 0x948fee4c, 0xfd7f1e3b, 0x9ff48023, 0xa282cf7a, 0xf2fc9eca,
    0x8db29867,
];

/// What a proof has convinced of.
#[derive(Copy, Drop)]
pub struct Verified {
    pub context: felt252,
    /// The felts that hold the integers of inputs and of outputs, eight a felt, and behind them
    /// their commitments, one a felt.
    pub inputs: Span<felt252>,
    pub outputs: Span<felt252>,
}

/// Whether a proof for a model convinces, whatever the security of its key: panics with a reason,
/// or returns 1.
///
/// `data` holds the key, the statement and the proof, and nothing else; `model` is the hash of the
/// key's felts.
#[inline(never)]
pub fn verify(model: felt252, data: Array<felt252>) -> felt252 {
    let data = data.span();
    let mut rest = data;
    let key = key::read(ref rest);
    verify_rest(model, key, data, rest);
    1
}

/// Verifies a proof whose key is strong.
#[inline(never)]
pub fn verify_strong(model: felt252, data: Span<felt252>) -> Verified {
    let mut rest = data;
    let key = key::read(ref rest);
    assert_strong(key);
    verify_rest(model, key, data, rest)
}

/// As `verify`, for a key that has been read.
#[inline(never)]
fn verify_rest(
    model: felt252, key: Box<Key>, data: Span<felt252>, rest: Span<felt252>,
) -> Verified {
    let mut rest = rest;
    let of_key = data.slice(0, data.len() - rest.len());
    assert(core::poseidon::poseidon_hash_span(of_key) == model, 'model');
    let mut channel: Channel = ChannelTrait::new();
    channel.mix_digest(BoxTrait::new(PROTOCOL));
    channel.mix_digest(key.unbox().digest);
    let values = statement::read(key, ref rest, ref channel);
    proof(key, values, ref rest, ref channel);
    let Values { words: _, context, inputs, outputs } = values;
    Verified { context, inputs, outputs }
}

#[inline(never)]
fn proof(key: Box<Key>, values: Values, ref data: Span<felt252>, ref channel: Channel) {
    let k = key.unbox();
    // Rounds of FRI: the first one, and those that are left.
    let layers = 1 + (k.log_rows - 3 - k.log_last + 2) / 3;
    let mut nonces = split(ref data, nonces_of(key, layers));
    let query_nonce = pop(ref data);
    let mut hashes = read_hashes(ref data);
    let roots = BoxTrait::new([hashes.next(), hashes.next(), hashes.next()]);
    let opened = out_of_domain(key, values, ref data, ref channel, ref nonces, roots);
    let mut fri_roots: Array<Digest> = array![];
    let mut fri_alphas: Array<Q> = array![];
    let mut left = layers;
    while left != 0 {
        let root = hashes.next();
        channel.mix_digest(root);
        channel.pay(k.round_pow, ref nonces, 'round work');
        fri_alphas.append(channel.draw_q());
        fri_roots.append(root);
        left -= 1;
    };
    let n_last: u32 = pow2(k.log_last).try_into().unwrap();
    let last = qs_of(mix_qs(ref data, ref channel, n_last), n_last).span();
    channel.work(k.query_pow, query_nonce, 'query work');
    let positions = draw_queries(ref channel, k.log_domain, k.queries).span();
    let answers = rows(key, opened, positions, ref data, ref hashes, roots);
    fold_all(key, answers, fri_roots.span(), fri_alphas.span(), last, ref data, ref hashes);
    assert(data.is_empty() && hashes.low.is_empty(), 'trailing');
}

/// Nonces but that before the queries: of the challenges, and of every round behind them.
#[inline(never)]
fn nonces_of(key: Box<Key>, layers: u32) -> u32 {
    let k = key.unbox();
    let mut n: u32 = 0;
    if k.challenge_pow != 0 {
        n += 1;
    }
    if k.round_pow != 0 {
        n += 3 + layers;
    }
    n
}
#[inline(never)]
fn read_hashes(ref data: Span<felt252>) -> Hashes {
    let n = pop32(ref data);
    assert(n <= data.len(), 'short');
    let top = unpack_bytes(split(ref data, (n + 30) / 31)).span();
    let low = split(ref data, n);
    let tail = top.slice(n, top.len() - n);
    assert_zero(tail);
    Hashes { low, top: top.slice(0, n) }
}
/// Padding is zero, so that a proof has one form.
#[inline(never)]
fn assert_zero(mut tail: Span<felt252>) {
    while let Option::Some(x) = tail.pop_front() {
        assert(*x == 0, 'padding');
    };
}
#[inline(never)]
fn assert_zero_words(mut tail: Span<u32>) {
    while let Option::Some(word) = tail.pop_front() {
        assert(*word == 0, 'padding');
    };
}
/// The words of `n` elements of the extension field, which are canonical.
#[inline(never)]
fn mix_qs(ref data: Span<felt252>, ref channel: Channel, n: u32) -> Span<u32> {
    let mut out = array![];
    append_digest(ref out, channel.digest);
    let mut felts = split(ref data, (n + 1) / 2);
    while let Option::Some(x) = felts.pop_front() {
        unpack_into(ref out, *x);
    };
    let end = out.len();
    pad(ref out);
    let words = out.span();
    channel.mix_prefixed(words, 32 + 16 * n);
    assert_zero_words(words.slice(8 + 4 * n, end - 8 - 4 * n));
    let words = words.slice(8, 4 * n);
    assert_canonical(words);
    words
}
/// No word is the modulus, so that a proof has one form.
#[inline(never)]
fn assert_canonical(mut words: Span<u32>) {
    while let Option::Some(word) = words.pop_front() {
        assert(*word != 0x7fffffff, 'canonical');
    };
}
#[inline(never)]
fn qs_of(mut words: Span<u32>, n: u32) -> Array<Q> {
    let mut out = array![];
    let mut left = n;
    while left != 0 {
        out.append(pop_q(ref words));
        left -= 1;
    };
    out
}

/// Values that are opened at a point, and what they are batched by.
#[derive(Copy, Drop)]
struct Opened {
    words: Span<u32>,
    count: u32,
    point: QPt,
    alpha: Q,
}
/// Everything up to the batching challenge: constraints hold at a random point.
#[inline(never)]
fn out_of_domain(
    key: Box<Key>,
    values: Values,
    ref data: Span<felt252>,
    ref channel: Channel,
    ref nonces: Span<felt252>,
    roots: Box<[Digest; 3]>,
) -> Box<Opened> {
    let k = key.unbox();
    channel
        .mix_words([k.query_pow, k.log_blowup, k.queries, k.log_last, 3, k.log_domain, 0, 0]);
    channel.mix_digest(k.root);
    let [root1, root2, root3] = roots.unbox();
    channel.mix_digest(root1);
    channel.pay(k.challenge_pow, ref nonces, 'challenge work');
    let z = channel.draw_q();
    let alpha = channel.draw_q();
    let t = channel.draw_q();
    let s = channel.draw_q();
    let lambda = channel.draw_q();
    channel.mix_digest(root2);
    channel.pay(k.round_pow, ref nonces, 'round work');
    let rc = channel.draw_q();
    channel.mix_digest(root3);
    channel.pay(k.round_pow, ref nonces, 'round work');
    let point = random_point(channel.draw_q());
    let [n0, n1, n2] = k.opened;
    let count = n0 + k.selectors.len() + n1 + n2 + 8;
    let words = mix_qs(ref data, ref channel, count);
    let context = Context {
        z,
        alpha: powers(alpha, 8).slice(1, 7),
        t: powers(t, k.lanes + 1),
        s: powers(s, k.lanes + 1),
        lambda,
        first: ZERO,
        last: ZERO,
        closes_total: false,
        total: public_total(values.words, t),
        closes_wiring: false,
        others: ZERO,
        twice: false,
    };
    constraints(key, BoxTrait::new(context), words, rc, point.x);
    channel.pay(k.round_pow, ref nonces, 'round work');
    BoxTrait::new(Opened { words, count, point, alpha: channel.draw_q() })
}
#[inline(never)]
fn constraints(key: Box<Key>, context: Box<Context>, words: Span<u32>, rc: Q, x: Q) {
    let k = key.unbox();
    let [n0, n1, n2] = k.opened;
    let mut words = words;
    let fixed = split_words(ref words, 4 * n0);
    let of_selectors = split_words(ref words, 4 * k.selectors.len());
    let selectors = qs_of(of_selectors, k.selectors.len()).span();
    let witness = split_words(ref words, 4 * n1);
    let interaction = split_words(ref words, 4 * n2);
    let others = BoxTrait::new(others(k.chips, k.shapes, k.closers, interaction));
    let mut cursor = Cursor { fixed, witness, interaction };
    let mut acc = ZERO;
    let mut at: u32 = 0;
    while at != k.chips.len() {
        let context = of_chip(key, context, others, selectors, at);
        acc = evaluate_chip(ref cursor, k.chips[at], context, rc, acc);
        at += 1;
    };
    let Cursor { fixed, witness, interaction } = cursor;
    assert(fixed.is_empty() && witness.is_empty() && interaction.is_empty(), 'columns');
    let halves = qs_of(words, 8);
    let low = combine(*halves[0], *halves[1], *halves[2], *halves[3]);
    let high = combine(*halves[4], *halves[5], *halves[6], *halves[7]);
    let vanishing = qdouble_x(x, k.log_rows - 1);
    let composition = mul(mul_add(vanishing, high, low), vanishing);
    assert(eq(composition, acc), 'constraints');
}
/// The context of one chip.
#[inline(never)]
fn of_chip(
    key: Box<Key>, context: Box<Context>, others: Box<Others>, selectors: Span<Q>, at: u32,
) -> Box<Context> {
    let k = key.unbox();
    let chip: @super::air::shape::Chip = k.chips[at];
    let shape: @super::air::shape::Shape = k.shapes[at];
    let c = context.unbox();
    let o = others.unbox();
    let first = if *shape.first {
        *selectors[position(k.selectors, 0, *chip.log_size)]
    } else {
        ZERO
    };
    let closes_total = reads_last(@k.closers, at, *chip.kind);
    let last = if closes_total {
        *selectors[position(k.selectors, k.firsts, *chip.log_size)]
    } else {
        ZERO
    };
    let total = if *chip.kind == 2 {
        c.total
    } else {
        o.products
    };
    BoxTrait::new(
        Context {
            z: c.z,
            alpha: c.alpha,
            t: c.t,
            s: c.s,
            lambda: c.lambda,
            first,
            last,
            closes_total,
            total,
            closes_wiring: at == k.closers.wiring,
            others: o.wiring,
            twice: *shape.twice,
        },
    )
}
/// Where a size stands in a list, from a position on.
#[inline(never)]
fn position(sizes: Span<u32>, from: u32, size: u32) -> u32 {
    let mut at = from;
    while *sizes[at] != size {
        at += 1;
    };
    at
}

#[inline(never)]
fn draw_queries(ref channel: Channel, log_domain: u32, n: u32) -> Array<u32> {
    let size: u32 = pow2(log_domain).try_into().expect('domain');
    let mut sorted: Array<u32> = array![];
    let mut left = n;
    while left != 0 {
        let [a, b, c, d, e, f, g, h] = channel.draw().unbox();
        let mut words = array![a, b, c, d, e, f, g, h].span();
        while left != 0 {
            match words.pop_front() {
                Option::Some(x) => {
                    sorted = insert(sorted, *x % size);
                    left -= 1;
                },
                Option::None => { break; },
            }
        };
    };
    sorted
}
/// Keeps a list sorted and free of duplicates.
#[inline(never)]
fn insert(list: Array<u32>, x: u32) -> Array<u32> {
    let mut out = array![];
    let mut placed = false;
    let mut list = list.span();
    while let Option::Some(y) = list.pop_front() {
        let y = *y;
        if !placed && x <= y {
            placed = true;
            if x != y {
                out.append(x);
            }
        }
        out.append(y);
    };
    if !placed {
        out.append(x);
    }
    out
}

/// Reads the rows of all trees at the queries: they are committed, and give FRI's first values.
#[inline(never)]
fn rows(
    key: Box<Key>,
    opened: Box<Opened>,
    positions: Span<u32>,
    ref data: Span<felt252>,
    ref hashes: Hashes,
    roots: Box<[Digest; 3]>,
) -> Array<Value> {
    let k = key.unbox();
    let o = opened.unbox();
    let plan = pcs::plan(key, qs_of(o.words, o.count).span(), o.alpha, o.point);
    let mut leaves0: Array<Node> = array![];
    let mut leaves1: Array<Node> = array![];
    let mut leaves2: Array<Node> = array![];
    let mut leaves3: Array<Node> = array![];
    let mut answers: Array<Value> = array![];
    let mut positions = positions;
    while let Option::Some(position) = positions.pop_front() {
        let at = *position;
        let p = plan.unbox();
        let [c0, c1, c2, c3] = p.columns;
        let [r0, r1, r2, r3] = p.rows;
        let (mut low, mut high) = (0, 0);
        let (_, h0) = row(ref data, c0, r0, ref low, ref high);
        let (w1, h1) = row(ref data, c1, r1, ref low, ref high);
        let (w2, h2) = row(ref data, c2, r2, ref low, ref high);
        let (_, h3) = row(ref data, c3, r3, ref low, ref high);
        leaves0.append(Node { at, hash: h0 });
        leaves1.append(Node { at, hash: h1 });
        leaves2.append(Node { at, hash: h2 });
        leaves3.append(Node { at, hash: h3 });
        let (previous, periods) = elsewhere(p.sizes, w1, w2);
        let point = at_position(at, k.log_domain);
        let value = pcs::answer(plan, point, unpack_sum(low, high), previous, periods);
        answers.append(Value { at, value, point });
    };
    let [root1, root2, root3] = roots.unbox();
    assert_same(root_of(leaves0, k.log_domain, ref hashes), k.root, 'root 0');
    assert_same(root_of(leaves1, k.log_domain, ref hashes), root1, 'root 1');
    assert_same(root_of(leaves2, k.log_domain, ref hashes), root2, 'root 2');
    assert_same(root_of(leaves3, k.log_domain, ref hashes), root3, 'root 3');
    answers
}
#[inline(never)]
fn row(
    ref data: Span<felt252>,
    columns: u32,
    powers: Span<felt252>,
    ref low: felt252,
    ref high: felt252,
) -> (Span<u32>, Digest) {
    let words = pcs::read_row(ref data, columns).span();
    (words, pcs::row(words, columns, powers, ref low, ref high))
}
#[inline(never)]
fn elsewhere(mut sizes: Span<pcs::SizeBatch>, w1: Span<u32>, w2: Span<u32>) -> (Q, Span<Q>) {
    let (mut plow, mut phigh) = (0, 0);
    let mut periods: Array<Q> = array![];
    while let Option::Some(size) = sizes.pop_front() {
        let (mut low, mut high) = (0, 0);
        pcs::entries(*size.entries1, w1, ref plow, ref phigh, ref low, ref high);
        pcs::entries(*size.entries2, w2, ref plow, ref phigh, ref low, ref high);
        periods.append(unpack_sum(low, high));
    };
    (unpack_sum(plow, phigh), periods.span())
}
/// Folds the values down to the last layer's polynomial.
#[inline(never)]
fn fold_all(
    key: Box<Key>,
    answers: Array<Value>,
    mut roots: Span<Digest>,
    mut alphas: Span<Q>,
    last: Span<Q>,
    ref data: Span<felt252>,
    ref hashes: Hashes,
) {
    let k = key.unbox();
    let mut log_layer = k.log_domain;
    let mut log_degree = k.log_rows;
    let mut current = answers;
    let mut first = true;
    while let Option::Some(root) = roots.pop_front() {
        let alpha = *alphas.pop_front().unwrap();
        let words = read_witness(ref data);
        let mut witness = words;
        let left = log_degree - k.log_last;
        let step = if first || left > 3 {
            3
        } else {
            left
        };
        current = if step == 3 {
            fri::layer(current, ref witness, *root, log_layer - 2, alpha, first, ref hashes)
        } else {
            fri::short_layer(current, ref witness, *root, log_layer, step, alpha, ref hashes)
        };
        assert(witness.is_empty(), 'fri values');
        log_layer -= step;
        log_degree -= step;
        first = false;
    };
    let packed = fri::pack_coefs(last);
    let mut values = current.span();
    while let Option::Some(v) = values.pop_front() {
        assert(eq(fri::evaluate(packed, k.log_last, *v.point.x), *v.value), 'last layer');
    };
}
/// The values of a layer of FRI that do not follow from others.
#[inline(never)]
fn read_witness(ref data: Span<felt252>) -> Span<u32> {
    let n = pop32(ref data);
    assert(n <= 2 * data.len(), 'short');
    let mut felts = split(ref data, (n + 1) / 2);
    let mut out = array![];
    while let Option::Some(x) = felts.pop_front() {
        unpack_into(ref out, *x);
    };
    let words = out.span();
    assert_zero_words(words.slice(4 * n, words.len() - 4 * n));
    let words = words.slice(0, 4 * n);
    assert_canonical(words);
    words
}
