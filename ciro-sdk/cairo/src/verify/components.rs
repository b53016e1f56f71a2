//! Which components a claim enables, and which ones it has lookup sums for.

use cairo_air::claims::{CairoClaim, CairoInteractionClaim};
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::SMALL_MAX_SEQUENCE_LOG_SIZE;

use super::MalformedClaim;

/// Writes what concerns all components once. A component that a later stwo-cairo adds breaks the
/// build here: both structures are taken apart completely.
macro_rules! components {
    ($($name:ident),* $(,)?) => {
        /// Checks that there is a lookup sum for exactly those components that the claim enables.
        ///
        /// stwo-cairo's verifier unwraps the sum of an enabled component, and adds up any other
        /// without a constraint on it.
        pub(super) fn check_sums(
            claim: &CairoClaim,
            sums: &CairoInteractionClaim,
        ) -> Result<(), MalformedClaim> {
            let CairoClaim { public_data: _, $($name: _,)* } = claim;
            let CairoInteractionClaim { $($name: _,)* } = sums;
            $(
                if claim.$name.is_some() != sums.$name.is_some() {
                    return Err(MalformedClaim::LookupSums);
                }
            )*
            Ok(())
        }
    };
}

components! {
    add_opcode, add_opcode_small, add_ap_opcode, assert_eq_opcode, assert_eq_opcode_imm,
    assert_eq_opcode_double_deref, blake_compress_opcode, call_opcode_abs, call_opcode_rel_imm,
    generic_opcode, jnz_opcode_non_taken, jnz_opcode_taken, jump_opcode_abs,
    jump_opcode_double_deref, jump_opcode_rel, jump_opcode_rel_imm, mul_opcode,
    mul_opcode_small, qm_31_add_mul_opcode, ret_opcode, verify_instruction, blake_round,
    blake_g, blake_round_sigma, triple_xor_32, verify_bitwise_xor_12, add_mod_builtin,
    bitwise_builtin, mul_mod_builtin, pedersen_builtin, pedersen_builtin_narrow_windows,
    poseidon_builtin, range_check96_builtin, range_check_builtin, ec_op_builtin,
    partial_ec_mul_generic, pedersen_aggregator_window_bits_18, partial_ec_mul_window_bits_18,
    pedersen_points_table_window_bits_18, pedersen_aggregator_window_bits_9,
    partial_ec_mul_window_bits_9, pedersen_points_table_window_bits_9, poseidon_aggregator,
    poseidon_3_partial_rounds_chain, poseidon_full_round_chain, cube_252, poseidon_round_keys,
    range_check_252_width_27, memory_address_to_id, memory_id_to_big, memory_id_to_small,
    range_check_6, range_check_8, range_check_11, range_check_12, range_check_18,
    range_check_20, range_check_4_3, range_check_4_4, range_check_9_9, range_check_7_2_5,
    range_check_3_6_6_3, range_check_4_4_4_4, range_check_3_3_3_3_3, verify_bitwise_xor_4,
    verify_bitwise_xor_7, verify_bitwise_xor_8, verify_bitwise_xor_9,
}

/// Checks that every component that counts its rows has a column to count with: the preprocessed
/// trace has none for more than 2^20 rows.
pub(super) fn check_counted(claim: &CairoClaim) -> Result<(), MalformedClaim> {
    let big = claim.memory_id_to_big.iter().flat_map(|memory| memory.big_log_sizes.iter().copied());
    let counted = [
        claim.memory_address_to_id.as_ref().map(|c| c.log_size),
        claim.memory_id_to_small.as_ref().map(|c| c.log_size),
        claim.add_mod_builtin.as_ref().map(|c| c.log_size),
        claim.bitwise_builtin.as_ref().map(|c| c.log_size),
        claim.blake_compress_opcode.as_ref().map(|c| c.log_size),
        claim.ec_op_builtin.as_ref().map(|c| c.log_size),
        claim.mul_mod_builtin.as_ref().map(|c| c.log_size),
        claim.pedersen_aggregator_window_bits_9.as_ref().map(|c| c.log_size),
        claim.pedersen_builtin_narrow_windows.as_ref().map(|c| c.log_size),
        claim.poseidon_aggregator.as_ref().map(|c| c.log_size),
        claim.poseidon_builtin.as_ref().map(|c| c.log_size),
        claim.range_check96_builtin.as_ref().map(|c| c.log_size),
        claim.range_check_builtin.as_ref().map(|c| c.log_size),
    ];
    match counted.into_iter().flatten().chain(big).find(|&log| log > SMALL_MAX_SEQUENCE_LOG_SIZE) {
        Some(log_size) => Err(MalformedClaim::Rows(log_size)),
        None => Ok(()),
    }
}

/// Checks that no component needs tables that the preprocessed trace does not hold: those of wide
/// Pedersen windows.
pub(super) fn check_tables(claim: &CairoClaim) -> Result<(), MalformedClaim> {
    let wide = claim.pedersen_builtin.is_some()
        || claim.pedersen_aggregator_window_bits_18.is_some()
        || claim.partial_ec_mul_window_bits_18.is_some()
        || claim.pedersen_points_table_window_bits_18.is_some();
    if wide { Err(MalformedClaim::Segment("pedersen")) } else { Ok(()) }
}
