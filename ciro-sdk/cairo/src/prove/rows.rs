//! How long the components of a trace become, before any of it is made.
//!
//! stwo-cairo pads each component to a power of two, and a row of padding asks as much of other
//! components as any other row: what an instruction or a builtin costs is told by what it is padded
//! to, all the way down.

use std::collections::BTreeMap;

use cairo_air::air::PublicData;
use cairo_air::claims::CairoClaim;
use cairo_air::components::*;
use stwo_cairo_adapter::ExecutionResources;

use super::CairoProveError;
use crate::security;

/// The fewest rows that a component has: they are packed sixteen at a time.
const ROWS_MIN: usize = 16;

/// The most rows that a component has.
pub(super) const ROWS_MAX: usize = 1 << security::LOG_ROWS;

/// How many rows of other components each row of a component asks for, padding included: the lists
/// of `SubComponentInputs` in `stwo-cairo-prover` 1.3.0. Whoever asks stands before what it asks.
/// `aggregator`s merge equal requests, so that their rows are the most that there can be.
const ASKS: [(&str, &str, usize); 14] = [
    ("blake_compress_opcode", "blake_round", 10),
    ("blake_compress_opcode", "triple_xor_32", 8),
    ("blake_round", "blake_g", 8),
    ("pedersen_builtin_narrow_windows", "pedersen_aggregator_window_bits_9", 1),
    ("pedersen_aggregator_window_bits_9", "partial_ec_mul_window_bits_9", 56),
    ("poseidon_builtin", "poseidon_aggregator", 1),
    ("poseidon_aggregator", "poseidon_full_round_chain", 8),
    ("poseidon_aggregator", "poseidon_3_partial_rounds_chain", 27),
    ("poseidon_aggregator", "cube_252", 2),
    ("poseidon_aggregator", "range_check_252_width_27", 2),
    ("poseidon_full_round_chain", "cube_252", 3),
    ("poseidon_3_partial_rounds_chain", "cube_252", 3),
    ("poseidon_3_partial_rounds_chain", "range_check_252_width_27", 3),
    // Refused before it is counted: the tables are those of narrow windows.
    ("ec_op_builtin", "partial_ec_mul_generic", 252),
];

/// Rows of each component of a trace whose length depends on the run, padded.
#[derive(Clone, Debug)]
pub(super) struct Rows(BTreeMap<String, usize>);

/// Writes a claim from the rows of its components; what it leaves out breaks the build.
macro_rules! claim {
    (
        $rows:expr; $($sized:ident)*; $($builtin:ident $start:ident)*; $($table:ident $of:ident)*;
        $($absent:ident)*
    ) => {
        CairoClaim {
            public_data: PublicData::default(),
            memory_id_to_big: $rows
                .log("memory_id_to_big")
                .map(|log_size| memory_id_to_big::Claim { big_log_sizes: vec![log_size] }),
            $($sized: $rows.log(stringify!($sized)).map(|log_size| $sized::Claim { log_size }),)*
            $($builtin: $rows
                .log(stringify!($builtin))
                .map(|log_size| $builtin::Claim { log_size, $start: 0 }),)*
            $($table: $rows.log(stringify!($of)).map(|_| $table::Claim {}),)*
            $($absent: None,)*
        }
    };
}

impl Rows {
    /// The rows of an execution.
    ///
    /// # Errors
    /// [`CairoProveError::TooLong`] if a component is longer than the parameters of this crate
    /// allow, [`CairoProveError::Curve`] if there are no tables for it,
    /// [`CairoProveError::NoLargeValue`] if no felt is large.
    pub(super) fn of(resources: &ExecutionResources) -> Result<Self, CairoProveError> {
        let sizes = &resources.memory_tables_sizes;
        if sizes.memory_id_to_big == 0 {
            return Err(CairoProveError::NoLargeValue);
        }
        // Addresses begin at 1.
        let addresses = sizes.memory_address_to_id.saturating_sub(1);
        let memory = [
            ("verify_instruction", resources.verify_instruction),
            ("memory_address_to_id", addresses.div_ceil(security::MEMORY_PARTS)),
            // stwo-cairo makes further parts of more than 2^25 values only.
            ("memory_id_to_big", sizes.memory_id_to_big),
            ("memory_id_to_small", sizes.memory_id_to_small.max(1)),
        ];
        let memory = memory.map(|(name, count)| (name.to_owned(), count));
        let builtins = resources.builtin_instance_counter.iter().filter_map(|(name, count)| {
            let name = match name.as_str() {
                "output_builtin" => return None,
                "pedersen_builtin" => "pedersen_builtin_narrow_windows",
                name => name,
            };
            Some((name.to_owned(), *count))
        });
        let opcodes = resources.opcodes_instance_counter.clone().into_iter();
        let counts = memory.into_iter().chain(opcodes).chain(builtins);
        Self::counted(counts.filter(|(_, count)| *count > 0).collect())
    }

    fn counted(mut counts: BTreeMap<String, usize>) -> Result<Self, CairoProveError> {
        for (component, asked, each) in ASKS {
            if let Some(&count) = counts.get(component) {
                let rows = counts.entry(asked.to_owned()).or_insert(0);
                *rows = padded(count).saturating_mul(each).saturating_add(*rows);
            }
        }
        let mut rows = BTreeMap::new();
        for (component, count) in counts {
            let padded = padded(count);
            if padded > ROWS_MAX {
                let bits = security::security_of(padded.ilog2()).whole_conjectured_bits();
                let what = what(&component);
                return Err(CairoProveError::TooLong {
                    what,
                    rows: count,
                    rows_max: ROWS_MAX,
                    bits,
                });
            }
            rows.insert(component, padded);
        }
        if rows.contains_key("ec_op_builtin") {
            return Err(CairoProveError::Curve);
        }
        Ok(Self(rows))
    }

    /// The binary logarithm of a component's rows; `None` if it has none.
    fn log(&self, component: &str) -> Option<u32> {
        self.0.get(component).map(|rows| rows.ilog2())
    }

    /// The claim of a proof with these components.
    pub(super) fn claim(&self) -> CairoClaim {
        claim!(self;
            add_opcode add_opcode_small add_ap_opcode assert_eq_opcode assert_eq_opcode_imm
            assert_eq_opcode_double_deref blake_compress_opcode call_opcode_abs
            call_opcode_rel_imm generic_opcode jnz_opcode_non_taken jnz_opcode_taken
            jump_opcode_abs jump_opcode_double_deref jump_opcode_rel jump_opcode_rel_imm
            mul_opcode mul_opcode_small qm_31_add_mul_opcode ret_opcode verify_instruction
            blake_round blake_g triple_xor_32 partial_ec_mul_generic
            pedersen_aggregator_window_bits_9 partial_ec_mul_window_bits_9 poseidon_aggregator
            poseidon_3_partial_rounds_chain poseidon_full_round_chain cube_252
            range_check_252_width_27 memory_address_to_id memory_id_to_small;
            bitwise_builtin bitwise_builtin_segment_start
            pedersen_builtin_narrow_windows pedersen_builtin_segment_start
            poseidon_builtin poseidon_builtin_segment_start
            range_check96_builtin range_check96_builtin_segment_start
            range_check_builtin range_check_builtin_segment_start
            ec_op_builtin ec_op_builtin_segment_start;
            blake_round_sigma blake_compress_opcode
            verify_bitwise_xor_12 blake_compress_opcode
            pedersen_points_table_window_bits_9 pedersen_aggregator_window_bits_9
            poseidon_round_keys poseidon_aggregator
            range_check_6 verify_instruction range_check_8 verify_instruction
            range_check_11 verify_instruction range_check_12 verify_instruction
            range_check_18 verify_instruction range_check_20 verify_instruction
            range_check_4_3 verify_instruction range_check_4_4 verify_instruction
            range_check_9_9 verify_instruction range_check_7_2_5 verify_instruction
            range_check_3_6_6_3 verify_instruction range_check_4_4_4_4 verify_instruction
            range_check_3_3_3_3_3 verify_instruction verify_bitwise_xor_4 verify_instruction
            verify_bitwise_xor_7 verify_instruction verify_bitwise_xor_8 verify_instruction
            verify_bitwise_xor_9 verify_instruction;
            add_mod_builtin mul_mod_builtin pedersen_builtin pedersen_aggregator_window_bits_18
            partial_ec_mul_window_bits_18 pedersen_points_table_window_bits_18
        )
    }
}

/// What a component's rows are taken up to.
fn padded(count: usize) -> usize {
    count.checked_next_power_of_two().map_or(1 << (usize::BITS - 1), |rows| rows.max(ROWS_MIN))
}

/// What there is too much of if a component is too long, in words of those who write programs.
fn what(component: &str) -> String {
    let words = match component {
        "verify_instruction" => "instructions",
        "memory_address_to_id" => "memory",
        "memory_id_to_big" => "large values",
        "memory_id_to_small" => "small values",
        "blake_round" | "blake_g" | "triple_xor_32" => "Blake2s",
        "cube_252" | "range_check_252_width_27" => "Poseidon",
        "partial_ec_mul_generic" => "operations on the curve",
        name if name.starts_with("poseidon") => "Poseidon",
        name if name.starts_with("pedersen") || name.starts_with("partial_ec_mul") => "Pedersen",
        name => return format!("`{name}`"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use stwo::core::fields::m31::P;
    use stwo_cairo_adapter::MemoryTablesSizes;

    use super::*;

    fn no_resources() -> ExecutionResources {
        ExecutionResources {
            opcodes_instance_counter: HashMap::default(),
            builtin_instance_counter: HashMap::default(),
            memory_tables_sizes: MemoryTablesSizes {
                memory_address_to_id: 0,
                memory_id_to_big: 1,
                memory_id_to_small: 0,
            },
            verify_instruction: 1,
        }
    }

    fn with_opcode(opcode: &str, count: usize) -> Result<Rows, CairoProveError> {
        let opcodes_instance_counter = HashMap::from([(opcode.to_owned(), count)]);
        Rows::of(&ExecutionResources { opcodes_instance_counter, ..no_resources() })
    }

    fn with_builtin(builtin: &str, count: usize) -> Result<Rows, CairoProveError> {
        let builtin_instance_counter = HashMap::from([(builtin.to_owned(), count)]);
        Rows::of(&ExecutionResources { builtin_instance_counter, ..no_resources() })
    }

    #[test]
    fn longer_executions_are_refused_with_their_bits() {
        let with = |verify_instruction| {
            Rows::of(&ExecutionResources { verify_instruction, ..no_resources() })
        };
        with(ROWS_MAX).unwrap();
        let error = with(ROWS_MAX + 1).unwrap_err();
        assert!(matches!(error, CairoProveError::TooLong { bits: 99, .. }), "{error}");
        let most = with(usize::MAX).unwrap_err();
        assert!(matches!(most, CairoProveError::TooLong { .. }), "{most}");
    }

    #[test]
    fn padding_asks_as_much_as_any_other_row() {
        // Twelve sixteenths of what fits if padding cost nothing.
        with_opcode("blake_compress_opcode", 8_192).unwrap();
        for count in [8_193, 13_000, usize::MAX] {
            let error = with_opcode("blake_compress_opcode", count).unwrap_err();
            assert!(matches!(error, CairoProveError::TooLong { .. }), "{count}: {error}");
        }
        let rows = with_opcode("blake_compress_opcode", 8_192).unwrap();
        assert_eq!(rows.0["blake_round"], 16 * 8_192);
        assert_eq!((rows.0["blake_g"], rows.0["triple_xor_32"]), (ROWS_MAX, 8 * 8_192));
        let ones = with_opcode("blake_compress_opcode", 1).unwrap();
        assert_eq!((ones.0["blake_round"], ones.0["blake_g"]), (256, 2_048));
    }

    #[test]
    fn the_longest_component_of_each_builtin_is_counted() {
        for (builtin, longest, most) in [
            ("pedersen_builtin", "partial_ec_mul_window_bits_9", 1 << 14),
            ("poseidon_builtin", "cube_252", 1 << 13),
            ("bitwise_builtin", "bitwise_builtin", 1 << 20),
            ("range_check_builtin", "range_check_builtin", 1 << 20),
            ("range_check96_builtin", "range_check96_builtin", 1 << 20),
        ] {
            assert_eq!(with_builtin(builtin, most).unwrap().0[longest], ROWS_MAX, "{builtin}");
            let error = with_builtin(builtin, most + 1).unwrap_err();
            assert!(matches!(error, CairoProveError::TooLong { .. }), "{builtin}: {error}");
        }
        // stwo-cairo has no such proofs with the tables of this crate.
        let error = with_builtin("ec_op_builtin", 1).unwrap_err();
        assert!(matches!(error, CairoProveError::Curve), "{error}");
    }

    #[test]
    fn every_table_of_values_is_counted_and_large_ones_may_not_be_empty() {
        let with = |addresses: usize, big: usize, small: usize| {
            let memory_tables_sizes = MemoryTablesSizes {
                memory_address_to_id: addresses + 1,
                memory_id_to_big: big,
                memory_id_to_small: small,
            };
            Rows::of(&ExecutionResources { memory_tables_sizes, ..no_resources() })
        };
        let addresses = ROWS_MAX * security::MEMORY_PARTS;
        with(addresses, ROWS_MAX, ROWS_MAX).unwrap();
        for (addresses, big, small) in
            [(addresses + 1, 1, 1), (1, ROWS_MAX + 1, 1), (1, 1, ROWS_MAX + 1)]
        {
            let error = with(addresses, big, small).unwrap_err();
            assert!(matches!(error, CairoProveError::TooLong { .. }), "{error}");
        }
        let error = with(1, 0, 1).unwrap_err();
        assert!(matches!(error, CairoProveError::NoLargeValue), "{error}");
    }

    /// The verifier refuses claims whose lookups could wrap around the field.
    #[test]
    fn the_longest_trace_of_all_looks_nothing_up_too_often() {
        let names = [
            "add_opcode add_opcode_small add_ap_opcode assert_eq_opcode assert_eq_opcode_imm",
            "assert_eq_opcode_double_deref call_opcode_abs call_opcode_rel_imm generic_opcode",
            "jnz_opcode_non_taken jnz_opcode_taken jump_opcode_abs jump_opcode_double_deref",
            "jump_opcode_rel jump_opcode_rel_imm mul_opcode mul_opcode_small",
            "qm_31_add_mul_opcode ret_opcode verify_instruction memory_address_to_id",
            "memory_id_to_big memory_id_to_small bitwise_builtin range_check_builtin",
            "range_check96_builtin",
        ];
        let long = names.iter().flat_map(|line| line.split(' ')).map(|name| (name, ROWS_MAX));
        let heavy = [
            ("blake_compress_opcode", 1 << 13),
            ("poseidon_builtin", 1 << 13),
            ("pedersen_builtin_narrow_windows", 1 << 14),
        ];
        let counts = long.chain(heavy).map(|(name, count)| (name.to_owned(), count)).collect();
        let claim = Rows::counted(counts).unwrap().claim();
        let mut uses = HashMap::new();
        claim.accumulate_relation_uses(&mut uses);
        assert!(uses.values().all(|&uses| uses < P.into()), "{uses:?}");
    }
}
