//! How integers lie side by side in a felt, and the Cairo code that takes them apart.

use std::fmt::Write as _;

use ciro_model::integer::Interval;
use starknet_types_core::felt::Felt;

/// Bits below the split of a felt into two `u128`.
const LOW_BITS: u32 = 128;

/// Bits above it that every felt below 2^251 may use.
const HIGH_BITS: u32 = 251 - LOW_BITS;

/// `count` slots of `bits` bits: as many as fit in a felt's low 128 bits, the others above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slots {
    /// How many slots are used.
    pub(crate) count: usize,
    /// The width of a slot.
    pub(crate) bits: u32,
}

impl Slots {
    /// Slots for values of an interval, as few felts as possible for `columns` values and evenly
    /// filled.
    pub(crate) fn for_columns(interval: Interval, columns: usize) -> Self {
        let bits = bits(interval.width() - 1).max(1);
        let most = Self { count: 1, bits }.most();
        let groups = columns.div_ceil(most).max(1);
        Self { count: columns.div_ceil(groups).max(1), bits }
    }

    /// The same slots for the last group of `columns` values.
    pub(crate) fn last(self, columns: usize) -> Self {
        let rest = columns % self.count;
        Self { count: if rest == 0 { self.count } else { rest }, ..self }
    }

    /// How many slots of this width a felt holds.
    pub(crate) fn most(self) -> usize {
        self.low_most() + usize::try_from(HIGH_BITS / self.bits).expect("at most 123")
    }

    fn low_most(self) -> usize {
        usize::try_from(LOW_BITS / self.bits).expect("at most 128")
    }

    /// How many of the slots lie in the low 128 bits.
    pub(crate) fn low(self) -> usize {
        self.count.min(self.low_most())
    }

    /// How many of the slots lie above.
    pub(crate) fn high(self) -> usize {
        self.count - self.low()
    }

    /// The least significant bit of slot `index`.
    pub(crate) fn position(self, index: usize) -> u32 {
        let at = |index: usize| self.bits * u32::try_from(index).expect("at most 251 slots");
        if index < self.low() { at(index) } else { LOW_BITS + at(index - self.low()) }
    }

    /// Lays values in the slots, as a field element: `sum_j values[j] * 2^position(j)`.
    pub(crate) fn pack(self, values: impl IntoIterator<Item = i64>) -> Felt {
        let terms = values.into_iter().enumerate();
        terms.fold(Felt::ZERO, |sum, (index, value)| {
            sum + Felt::from(value) * power(self.position(index))
        })
    }

    /// The name of the Cairo implementation.
    pub(crate) fn name(self, kind: &str) -> String {
        format!("{kind}{}x{}", self.count, self.bits)
    }

    /// `impl SlotsNxB of Slots`.
    pub(crate) fn unpack_impl(self) -> String {
        let name = self.name("Slots");
        let mut code = format!("/// {}\npub impl {name} of Slots {{\n", self.describe());
        code.push_str("    fn unpack(packed: felt252, offset: felt252, ref y: Array<felt252>) {\n");
        self.write_digits(&mut code, |code, _, digit| {
            writeln!(code, "        y.append({digit} + offset);").expect("writing to a string");
        });
        code.push_str("    }\n}\n");
        code
    }

    /// `impl PackNxB of Pack`.
    pub(crate) fn pack_impl(self) -> String {
        let name = self.name("Pack");
        let mut code = format!("/// {}\npub impl {name} of Pack {{\n", self.describe());
        code.push_str("    fn pack(mut values: Span<felt252>) -> felt252 {\n");
        writeln!(
            code,
            "        let [{}] = (*values.multi_pop_front::<{}>().unwrap()).unbox();",
            names("x", self.count),
            self.count,
        )
        .expect("writing to a string");
        let terms: Vec<String> = (0..self.count)
            .map(|index| match self.position(index) {
                0 => format!("x{index}"),
                position => format!("x{index} * {}", hex(power(position))),
            })
            .collect();
        writeln!(code, "        {}", terms.join("\n            + ")).expect("writing to a string");
        code.push_str("    }\n}\n");
        code
    }

    /// `impl PlanesNxB of Planes`.
    pub(crate) fn planes_impl(self) -> String {
        let name = self.name("Planes");
        let arrays = vec!["Array<felt252>"; self.count].join(", ");
        let empty = vec!["array![]"; self.count].join(", ");
        let mut code = format!("/// {}\npub impl {name} of Planes {{\n", self.describe());
        let write = |code: &mut String, text: std::fmt::Arguments<'_>| {
            code.write_fmt(text).expect("writing to a string");
        };
        write(&mut code, format_args!("    type Arrays = ({arrays},);\n"));
        write(
            &mut code,
            format_args!("    fn empty() -> Self::Arrays {{\n        ({empty},)\n    }}\n"),
        );
        code.push_str("    fn spread(packed: felt252, offset: felt252, planes: Self::Arrays) -> Self::Arrays {\n");
        let mutable = (0..self.count).map(|i| format!("mut y{i}")).collect::<Vec<_>>().join(", ");
        write(&mut code, format_args!("        let ({mutable},) = planes;\n"));
        self.write_digits(&mut code, |code, index, digit| {
            writeln!(code, "        y{index}.append({digit} + offset);")
                .expect("writing to a string");
        });
        write(&mut code, format_args!("        ({},)\n    }}\n", names("y", self.count)));
        code.push_str("    fn join(planes: Self::Arrays, count: usize, ref y: Array<felt252>) {\n");
        write(&mut code, format_args!("        let ({},) = planes;\n", names("y", self.count)));
        for index in 0..self.count {
            if index > 0 {
                write(
                    &mut code,
                    format_args!(
                        "        if count == {index} {{\n            return;\n        }}\n"
                    ),
                );
            }
            write(&mut code, format_args!("        copy(y{index}.span(), ref y);\n"));
        }
        code.push_str("    }\n}\n");
        code
    }

    fn describe(self) -> String {
        let (count, bits) = (self.count, self.bits);
        match (self.low(), self.high()) {
            (1, 0) => "One integer: the felt itself.".to_owned(),
            (_, 0) => format!("{count} integers of {bits} bits, all in the low half of the felt."),
            (low, high) => {
                format!(
                    "{count} integers of {bits} bits: {low} in the low half of the felt, {high} above."
                )
            }
        }
    }

    /// Writes code that takes the digits of `packed` apart and hands each, as a felt, to `each`.
    fn write_digits(self, code: &mut String, mut each: impl FnMut(&mut String, usize, &str)) {
        if self.count == 1 {
            each(code, 0, "packed");
            return;
        }
        if self.high() == 0 {
            code.push_str("        let low: u128 = packed.try_into().unwrap();\n");
        } else {
            code.push_str("        let u256 { low, high } = packed.into();\n");
        }
        let base = hex(power(self.bits));
        for (half, first, count) in [("low", 0, self.low()), ("high", self.low(), self.high())] {
            for index in 0..count {
                if index + 1 == count {
                    each(code, first + index, &format!("{half}.into()"));
                } else {
                    writeln!(
                        code,
                        "        let ({half}, digit) = DivRem::div_rem({half}, {base});"
                    )
                    .expect("writing to a string");
                    each(code, first + index, "digit.into()");
                }
            }
        }
    }
}

/// Several rows of a packed matrix in one felt: row `i` uses bits `i * bits .. (i + 1) * bits` of
/// every slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rows {
    /// The slots.
    pub(crate) slots: Slots,
    /// Bits of one weight.
    pub(crate) bits: u32,
    /// The least weight.
    pub(crate) least: i32,
}

impl Rows {
    /// The densest way to lay weights of an interval in slots.
    pub(crate) fn new(slots: Slots, weights: Interval) -> Self {
        let least = i32::try_from(weights.lo).expect("weights are 32-bit numbers");
        Self { slots, bits: bits(weights.width() - 1).max(1), least }
    }

    /// How many rows a felt holds.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.slots.bits / self.bits).expect("at most 31").max(1)
    }

    /// Packs consecutive rows; each row has one weight for each slot.
    pub(crate) fn pack<'a>(self, rows: impl IntoIterator<Item = &'a [i32]>) -> Felt {
        let mut felt = Felt::ZERO;
        for (index, row) in (0u32..).zip(rows) {
            let digits = row.iter().map(|&weight| i64::from(weight) - i64::from(self.least));
            felt += self.slots.pack(digits) * power(index * self.bits);
        }
        felt
    }

    /// The name of the Cairo implementation.
    pub(crate) fn name(self) -> String {
        let sign = if self.least < 0 { "Minus" } else { "From" };
        let (slots, least) = (self.slots, self.least.unsigned_abs());
        format!("Rows{}x{}{sign}{least}In{}x{}", self.count(), self.bits, slots.count, slots.bits)
    }

    /// `impl Rows.. of Rows`.
    pub(crate) fn expand_impl(self) -> String {
        let greatest = i64::from(self.least) + (1 << self.bits) - 1;
        let mut code = format!(
            "/// {} row(s) of {}-bit weights in [{}, {greatest}], {} columns a row.\npub impl {} of Rows {{\n",
            self.count(),
            self.bits,
            self.least,
            self.slots.count,
            self.name(),
        );
        code.push_str("    fn expand(felt: felt252, ref rows: Array<felt252>) {\n");
        let high = if self.slots.high() == 0 { "high: _" } else { "high" };
        writeln!(code, "        let u256 {{ low, {high} }} = felt.into();").expect(WRITES);
        // Weights are stored from zero up; the felt of a row has them around zero.
        let offset = hex(self.slots.pack(vec![i64::from(self.least); self.slots.count]));
        let count = u32::try_from(self.count()).expect("at most 31 rows");
        let mut rest = "felt".to_owned();
        for row in 0..count {
            let name = format!("row_{row}");
            // What the other rows leave is the last one.
            let bits = if row + 1 == count { rest.clone() } else { self.masked(row) };
            writeln!(code, "        let {name} = {bits};").expect(WRITES);
            write!(rest, " - {name}").expect(WRITES);
            let down = power(row * self.bits).inverse().expect("a power of two is not zero");
            let shifted = if row == 0 { name } else { format!("{name} * {}", hex(down)) };
            writeln!(code, "        rows.append({shifted} + {offset});").expect(WRITES);
        }
        code.push_str("    }\n}\n");
        code
    }

    /// The bits of one row where they stand, as a Cairo expression of `low` and `high`.
    fn masked(self, row: u32) -> String {
        let ones = power(self.bits) - Felt::ONE;
        let mask = |slots: std::ops::Range<usize>, shift: u32| {
            let one = |slot| ones * power(self.slots.position(slot) - shift + row * self.bits);
            hex(slots.map(one).fold(Felt::ZERO, |mask, slot| mask + slot))
        };
        let low = format!("(low & {}).into()", mask(0..self.slots.low(), 0));
        if self.slots.high() == 0 {
            return low;
        }
        let high = mask(self.slots.low()..self.slots.count, LOW_BITS);
        format!("{low}\n            + (high & {high}).into() * {}", hex(power(LOW_BITS)))
    }
}

const WRITES: &str = "writing to a string";

/// `2^exponent` as a field element.
pub(crate) fn power(exponent: u32) -> Felt {
    Felt::TWO.pow(u128::from(exponent))
}

/// A felt as Cairo source.
pub(crate) fn hex(felt: Felt) -> String {
    format!("{felt:#x}")
}

/// `x0, x1, ..`
pub(crate) fn names(prefix: &str, count: usize) -> String {
    (0..count).map(|index| format!("{prefix}{index}")).collect::<Vec<_>>().join(", ")
}

/// How many bits a number needs.
fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(lo: i64, hi: i64, columns: usize) -> Slots {
        Slots::for_columns(Interval::new(lo, hi), columns)
    }

    #[test]
    fn slots_fill_both_halves_evenly() {
        assert_eq!(slots(0, (1 << 30) - 1, 128), Slots { count: 8, bits: 30 });
        assert_eq!(slots(-(1 << 29), 1 << 29, 10), Slots { count: 5, bits: 31 });
        let slots = slots(0, (1 << 20) - 1, 24);
        assert_eq!((slots.count, slots.low(), slots.high()), (12, 6, 6));
        assert_eq!((slots.position(5), slots.position(6)), (100, 128));
        assert_eq!(slots.last(27).count, 3);
    }

    #[test]
    fn packed_felts_stay_below_the_modulus() {
        for bits in 1..=31 {
            let most = Slots { count: 1, bits }.most();
            let slots = Slots { count: most, bits };
            assert!(slots.position(most - 1) + bits <= 251, "{bits}");
            assert!(slots.position(slots.low() - 1) + bits <= LOW_BITS, "{bits}");
        }
    }

    #[test]
    fn rows_share_slots() {
        let rows = Rows::new(Slots { count: 2, bits: 20 }, Interval::new(-3, 4));
        assert_eq!((rows.count(), rows.bits), (6, 3));
        let felt = rows.pack([&[-3, 4][..], &[0, 1]]);
        assert_eq!(felt, Felt::from((7u64 << 20) | (3 << 3) | (4 << 23)));
    }
}
