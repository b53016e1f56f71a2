//! The rules that a proof's claim must keep before the STARK verifier sees it.
//!
//! These are the rules that `cairo_air::verifier::verify_cairo` 1.3.0 leaves to its caller or only
//! asserts:
//! - parameters and the preprocessed trace's root are this crate's, the channel is unsalted;
//! - program, builtins and their order are the key's, so that every pointer the program takes is
//!   checked by the builtin that the program means;
//! - the output section is the output builtin's segment: it starts where the execution ends and has
//!   the stated length;
//! - a lookup sum is claimed for exactly those components that the claim enables, and the sum of
//!   the memory component is that of its parts: any other sum is under no constraint and could hide
//!   an imbalance;
//! - a builtin component stands where its segment does, so that its place is in the transcript;
//! - the program begins as executables do, and the execution starts and ends where that beginning
//!   says;
//! - builtins' segments lie inside their components, whose memory lies inside the field;
//! - every number is in canonical form and small enough that address and size arithmetic cannot
//!   wrap.

use cairo_air::air::{PublicMemory, SegmentRange};
use cairo_air::claims::CairoClaim;
use num_traits::Zero;
use starknet_types_core::felt::Felt;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::poly::line::LinePoly;
use stwo_cairo_common::builtins::{
    ADD_MOD_BUILTIN_MEMORY_CELLS, BITWISE_BUILTIN_MEMORY_CELLS, EC_OP_BUILTIN_MEMORY_CELLS,
    MUL_MOD_BUILTIN_MEMORY_CELLS, PEDERSEN_BUILTIN_NARROW_WINDOWS_MEMORY_CELLS,
    POSEIDON_BUILTIN_MEMORY_CELLS, RANGE_CHECK_96_BUILTIN_MEMORY_CELLS,
    RANGE_CHECK_BUILTIN_MEMORY_CELLS,
};
use stwo_cairo_common::memory::{LARGE_MEMORY_VALUE_ID_BASE, MEMORY_ADDRESS_BOUND};
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;

use super::{CairoVerificationError, components, limb_bytes};
use crate::builtin::Builtin;
use crate::header;
use crate::program_hash::{ProgramHash, hash_program};
use crate::proof::Inner;
use crate::security;

/// A claim that breaks a rule which every execution keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedClaim {
    /// A number that is not in canonical form.
    #[error("{0} holds a number that is not below its modulus")]
    NotCanonical(&'static str),
    /// A component with more or fewer rows than the parameters allow.
    #[error("a component has 2^{0} rows")]
    Rows(u32),
    /// A component that every execution has is missing.
    #[error("component `{0}` is missing")]
    Missing(&'static str),
    /// The builtins are not those of the program.
    #[error("the claim's builtins are not the program's")]
    Builtins,
    /// A builtin's component does not stand where its segment does.
    #[error("builtin `{0}` and its segment contradict each other")]
    Segment(&'static str),
    /// The program does not begin as every executable does: with room for its builtins' pointers, a
    /// call and an endless jump.
    #[error("the program does not begin as an executable does")]
    Header,
    /// The components look a relation up so often that counts could wrap around the field.
    #[error("relation `{0}` is used too often")]
    RelationUses(&'static str),
    /// An address outside the memory, or registers out of order.
    #[error("the execution's addresses are out of bounds")]
    Address,
    /// The output section is not the output builtin's segment.
    #[error("the output section is not the output segment")]
    Output,
    /// Lookup sums that belong to no component, or to parts that do not add up to them.
    #[error("the claimed lookup sums do not belong to the claimed components")]
    LookupSums,
    /// A last FRI layer that is not one constant.
    #[error("the last FRI layer is not one constant")]
    LastLayer,
}

/// Rows are packed sixteen at a time.
const LOG_ROWS_MIN: u32 = 4;

/// What a verifier knows of the program, whoever's it is: the rules are the same for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'k> {
    pub(super) program: ProgramHash,
    pub(super) builtins: &'k [Builtin],
}

pub(super) fn check(expected: Expected<'_>, proof: &Inner) -> Result<(), CairoVerificationError> {
    check_parameters(proof)?;
    check_program(expected, &proof.claim.public_data.public_memory)?;
    check_canonical(proof)?;
    check_components(proof)?;
    check_builtins(expected.builtins, &proof.claim)?;
    check_header(&proof.claim.public_data.public_memory)?;
    check_registers(&proof.claim)?;
    check_relation_uses(&proof.claim)?;
    check_lookup_sums(proof)?;
    Ok(())
}

fn check_parameters(proof: &Inner) -> Result<(), CairoVerificationError> {
    fn demand<T: PartialEq + std::fmt::Debug>(
        what: &'static str,
        expected: &T,
        got: &T,
    ) -> Result<(), CairoVerificationError> {
        if expected == got {
            return Ok(());
        }
        let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
        Err(CairoVerificationError::Parameters { what, expected, got })
    }
    let config = proof.stark_proof.config;
    let lifting = Some(security::LIFTING_LOG_SIZE);
    demand("lifting_log_size", &lifting, &config.lifting_log_size)?;
    demand("pcs_config", &security::pcs_config(), &config)?;
    let variant = PreProcessedTraceVariant::CanonicalSmall;
    demand("preprocessed_trace", &variant, &proof.preprocessed_trace_variant)?;
    demand("channel_salt", &0, &proof.channel_salt)?;
    demand("commitments", &4, &proof.stark_proof.commitments.len())?;
    let root = security::preprocessed_root();
    demand("preprocessed_root", &root, &proof.stark_proof.commitments[0])
}

fn check_program(
    Expected { program: expected, builtins }: Expected<'_>,
    memory: &PublicMemory,
) -> Result<(), CairoVerificationError> {
    let felts = memory.program.iter().map(|(_, value)| limb_bytes(value));
    let got = hash_program(builtins, felts);
    if got == expected { Ok(()) } else { Err(CairoVerificationError::Program { expected, got }) }
}

fn check_canonical(proof: &Inner) -> Result<(), MalformedClaim> {
    let base = |what, element: &M31| {
        if element.0 < P { Ok(()) } else { Err(MalformedClaim::NotCanonical(what)) }
    };
    let secure = |what, element: &SecureField| {
        element.to_m31_array().iter().try_for_each(|element| base(what, element))
    };
    let data = &proof.claim.public_data;
    for state in [&data.initial_state, &data.final_state] {
        state.values().iter().try_for_each(|register| base("a register", register))?;
    }
    check_public_memory(&data.public_memory)?;
    let big = proof.interaction_claim.memory_id_to_big.as_ref();
    let big = big.ok_or(MalformedClaim::Missing("memory_id_to_big"))?;
    if big.big_claimed_sums.len() > security::MEMORY_PARTS {
        return Err(MalformedClaim::LookupSums);
    }
    secure("a lookup sum", &big.claimed_sum)?;
    let sums = proof.interaction_claim.flatten_interaction_claim();
    sums.iter().try_for_each(|sum| secure("a lookup sum", sum))?;

    let stark = &proof.stark_proof;
    let samples = stark.sampled_values.iter().flatten().flatten();
    samples.into_iter().try_for_each(|value| secure("a sampled value", value))?;
    let queried = stark.queried_values.iter().flatten().flatten();
    queried.into_iter().try_for_each(|value| base("a queried value", value))?;
    let fri = &stark.fri_proof;
    for layer in std::iter::once(&fri.first_layer).chain(&fri.inner_layers) {
        layer.fri_witness.iter().try_for_each(|value| secure("a FRI witness", value))?;
    }
    let &[constant] = &fri.last_layer_poly[..] else { return Err(MalformedClaim::LastLayer) };
    secure("the last FRI layer", &constant)?;
    // The polynomial carries its own idea of its length.
    if fri.last_layer_poly != LinePoly::new(vec![constant]) {
        return Err(MalformedClaim::LastLayer);
    }
    Ok(())
}

fn check_public_memory(memory: &PublicMemory) -> Result<(), MalformedClaim> {
    let section = memory.program.iter().chain(&memory.output);
    for (id, value) in section {
        // `from_bytes_le` reduces, so only a value below the modulus comes back unchanged.
        let bytes = limb_bytes(value);
        if *id >= P || Felt::from_bytes_le(&bytes).to_bytes_le() != bytes {
            return Err(MalformedClaim::NotCanonical("public memory"));
        }
    }
    let pointers = memory
        .public_segments
        .present_segments()
        .into_iter()
        .flat_map(|s| [s.start_ptr, s.stop_ptr]);
    if memory
        .safe_call_ids
        .iter()
        .copied()
        .chain(pointers.map(|pointer| pointer.id))
        .any(|id| id >= P)
    {
        return Err(MalformedClaim::NotCanonical("public memory"));
    }
    Ok(())
}

fn check_components(proof: &Inner) -> Result<(), MalformedClaim> {
    let claim = &proof.claim;
    let missing = |name| MalformedClaim::Missing(name);
    claim.memory_address_to_id.as_ref().ok_or(missing("memory_address_to_id"))?;
    claim.memory_id_to_small.as_ref().ok_or(missing("memory_id_to_small"))?;
    claim.verify_instruction.as_ref().ok_or(missing("verify_instruction"))?;
    let big = claim.memory_id_to_big.as_ref().ok_or(missing("memory_id_to_big"))?;
    if big.big_log_sizes.is_empty() || big.big_log_sizes.len() > security::MEMORY_PARTS {
        return Err(missing("memory_id_to_big"));
    }
    let log_rows_max = security::LOG_ROWS;
    let sizes = claim.flatten_claim().component_log_sizes;
    if let Some(&size) = sizes.iter().find(|size| !(LOG_ROWS_MIN..=log_rows_max).contains(size)) {
        return Err(MalformedClaim::Rows(size));
    }
    components::check_tables(claim)?;
    components::check_counted(claim)?;
    // With sizes that are bounded, neither shifts nor sums wrap.
    let ids = big.big_log_sizes.iter().map(|size| 1u64 << size).sum::<u64>();
    if u64::from(LARGE_MEMORY_VALUE_ID_BASE) + ids > u64::from(P) {
        return Err(MalformedClaim::Address);
    }
    let addresses =
        claim.memory_address_to_id.as_ref().map_or(0, |memory| 1usize << memory.log_size);
    if addresses.saturating_mul(security::MEMORY_PARTS) > MEMORY_ADDRESS_BOUND {
        return Err(MalformedClaim::Address);
    }
    Ok(())
}

fn check_header(memory: &PublicMemory) -> Result<(), MalformedClaim> {
    let builtins = memory.public_segments.present_segments().len();
    let begins = header::begins(builtins, memory.program.iter().map(|(_, value)| *value));
    if begins { Ok(()) } else { Err(MalformedClaim::Header) }
}

fn check_relation_uses(claim: &CairoClaim) -> Result<(), MalformedClaim> {
    let mut uses = std::collections::HashMap::new();
    claim.accumulate_relation_uses(&mut uses);
    match uses.into_iter().find(|(_, uses)| *uses >= P.into()) {
        Some((relation, _)) => Err(MalformedClaim::RelationUses(relation)),
        None => Ok(()),
    }
}

/// A builtin, its segment, and where its component stands; `None` if it has no component.
type Segment = (Builtin, Option<SegmentRange>, Option<Place>);

fn builtins(claim: &CairoClaim) -> [Segment; 11] {
    let segments = &claim.public_data.public_memory.public_segments;
    macro_rules! place {
        ($component:ident, $start:ident, $cells:expr) => {
            claim.$component.as_ref().map(|c| Place {
                start: c.$start,
                log_size: c.log_size,
                cells: $cells,
            })
        };
    }
    [
        (Builtin::Output, Some(segments.output), None),
        (
            Builtin::Pedersen,
            segments.pedersen,
            place!(
                pedersen_builtin_narrow_windows,
                pedersen_builtin_segment_start,
                PEDERSEN_BUILTIN_NARROW_WINDOWS_MEMORY_CELLS
            ),
        ),
        (
            Builtin::RangeCheck,
            segments.range_check_128,
            place!(
                range_check_builtin,
                range_check_builtin_segment_start,
                RANGE_CHECK_BUILTIN_MEMORY_CELLS
            ),
        ),
        (Builtin::Ecdsa, segments.ecdsa, None),
        (
            Builtin::Bitwise,
            segments.bitwise,
            place!(bitwise_builtin, bitwise_builtin_segment_start, BITWISE_BUILTIN_MEMORY_CELLS),
        ),
        (
            Builtin::EcOp,
            segments.ec_op,
            place!(ec_op_builtin, ec_op_builtin_segment_start, EC_OP_BUILTIN_MEMORY_CELLS),
        ),
        (Builtin::Keccak, segments.keccak, None),
        (
            Builtin::Poseidon,
            segments.poseidon,
            place!(poseidon_builtin, poseidon_builtin_segment_start, POSEIDON_BUILTIN_MEMORY_CELLS),
        ),
        (
            Builtin::RangeCheck96,
            segments.range_check_96,
            place!(
                range_check96_builtin,
                range_check96_builtin_segment_start,
                RANGE_CHECK_96_BUILTIN_MEMORY_CELLS
            ),
        ),
        (
            Builtin::AddMod,
            segments.add_mod,
            place!(add_mod_builtin, add_mod_builtin_segment_start, ADD_MOD_BUILTIN_MEMORY_CELLS),
        ),
        (
            Builtin::MulMod,
            segments.mul_mod,
            place!(mul_mod_builtin, mul_mod_builtin_segment_start, MUL_MOD_BUILTIN_MEMORY_CELLS),
        ),
    ]
}

fn check_builtins(expected: &[Builtin], claim: &CairoClaim) -> Result<(), MalformedClaim> {
    let table = builtins(claim);
    let present = table.iter().filter(|(_, segment, _)| segment.is_some()).map(|(name, ..)| *name);
    if !present.eq(expected.iter().copied()) {
        return Err(MalformedClaim::Builtins);
    }
    for (name, segment, component) in table {
        let used = segment.filter(|segment| !segment.is_empty());
        let fits = match (used, component) {
            (Some(segment), Some(place)) => place.holds(segment),
            (Some(_), None) => name == Builtin::Output,
            // stwo-cairo places components by their segments: one without a segment has no place in
            // the transcript.
            (None, component) => component.is_none(),
        };
        let in_order = segment.is_none_or(|segment| {
            segment.start_ptr.value <= segment.stop_ptr.value
                && usize::try_from(segment.stop_ptr.value).is_ok_and(|p| p < MEMORY_ADDRESS_BOUND)
        });
        if !(fits && in_order) {
            return Err(MalformedClaim::Segment(name.name()));
        }
    }
    Ok(())
}

/// Where a builtin's component stands in the memory.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    log_size: u32,
    cells: usize,
}

impl Place {
    /// Whether the component holds a segment: both begin at one address, the segment has whole
    /// instances and ends with the component or before, and neither reaches the end of the field.
    fn holds(self, segment: SegmentRange) -> bool {
        let (start, stop) = (segment.start_ptr.value, segment.stop_ptr.value);
        let cells = self.cells as u64;
        let end = u64::from(self.start) + (cells << self.log_size);
        start == self.start
            && stop.checked_sub(start).is_some_and(|length| u64::from(length) % cells == 0)
            && u64::from(stop) <= end
            && end < 1 << 31
    }
}

fn check_registers(claim: &CairoClaim) -> Result<(), MalformedClaim> {
    let data = &claim.public_data;
    let (initial_ap, final_ap) = (data.initial_state.ap.0, data.final_state.ap.0);
    let memory = &data.public_memory;
    let builtins = u32::try_from(memory.public_segments.present_segments().len());
    let program = u32::try_from(memory.program.len());
    let (Ok(builtins), Ok(program)) = (builtins, program) else {
        return Err(MalformedClaim::Address);
    };
    // The program starts at 1; two cells of the first call's frame follow it, then the builtins'
    // pointers; the execution returns the pointers right before its end.
    let first = program.checked_add(3).ok_or(MalformedClaim::Address)?;
    let last = initial_ap.checked_add(builtins).and_then(|ap| ap.checked_add(builtins));
    let bound = u32::try_from(MEMORY_ADDRESS_BOUND).unwrap_or(P);
    // The first felts of the program are at 1; the call that they make returns to 5.
    let (start, end) = (&data.initial_state, &data.final_state);
    let framed =
        (start.pc.0, end.pc.0) == (1, 5) && (start.fp.0, end.fp.0) == (initial_ap, initial_ap);
    let in_order = framed
        && initial_ap == first
        && last.is_some_and(|last| last <= final_ap)
        && final_ap < bound;
    if !in_order {
        return Err(MalformedClaim::Address);
    }
    let output = memory.public_segments.output;
    let length = u32::try_from(memory.output.len()).ok();
    let stop = length.and_then(|length| final_ap.checked_add(length));
    if output.start_ptr.value != final_ap || Some(output.stop_ptr.value) != stop {
        return Err(MalformedClaim::Output);
    }
    Ok(())
}

fn check_lookup_sums(proof: &Inner) -> Result<(), MalformedClaim> {
    let (Some(claim), Some(sums)) =
        (&proof.claim.memory_id_to_big, &proof.interaction_claim.memory_id_to_big)
    else {
        return Err(MalformedClaim::Missing("memory_id_to_big"));
    };
    let total = sums.big_claimed_sums.iter().fold(SecureField::zero(), |total, &sum| total + sum);
    components::check_sums(&proof.claim, &proof.interaction_claim)?;
    if claim.big_log_sizes.len() != sums.big_claimed_sums.len() || total != sums.claimed_sum {
        return Err(MalformedClaim::LookupSums);
    }
    Ok(())
}
