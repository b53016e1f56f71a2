//! Histories as data: who calls what when, and what comes of it.

use starknet_types_core::felt::Felt as Felt252;

/// What comes of a call.
#[derive(Clone, Debug)]
pub(super) enum Comes {
    /// It is done, whatever it returns.
    Done,
    /// It returns this.
    Returned(Vec<Felt252>),
    /// It is refused with this word.
    Refused(&'static str),
}

/// Calls in turn.
#[derive(Debug, Default)]
pub(super) struct Script {
    now: u64,
    steps: Vec<Vec<Felt252>>,
}

/// A short string.
pub(super) fn short(text: &str) -> Felt252 {
    Felt252::from_bytes_be_slice(text.as_bytes())
}

/// A number of 256 bits.
pub(super) fn wide(number: u128) -> [Felt252; 2] {
    [number.into(), Felt252::ZERO]
}

impl Script {
    /// From now on it is this second.
    pub(super) fn at(&mut self, now: u64) {
        self.now = now;
    }

    /// Somebody calls a contract: `token`, `bonds` or `bridge`.
    pub(super) fn calls(
        &mut self,
        who: &str,
        (contract, function): (&str, &str),
        calldata: &[Felt252],
        comes: Comes,
    ) {
        let label = format!("{} {function}", self.steps.len());
        let (refused, returned) = match comes {
            Comes::Done => (Felt252::ZERO, vec![]),
            Comes::Returned(values) => (Felt252::ZERO, values),
            Comes::Refused(reason) => (short(reason), vec![]),
        };
        let mut step = vec![short(&label), self.now.into(), short(who), short(contract)];
        step.extend([short(function), calldata.len().into()]);
        step.extend(calldata);
        step.extend([refused, returned.len().into()]);
        step.extend(returned);
        self.steps.push(step);
    }

    /// Somebody calls the bridge.
    pub(super) fn does(&mut self, who: &str, function: &str, calldata: &[Felt252], comes: Comes) {
        self.calls(who, ("bridge", function), calldata, comes);
    }

    /// The bridge has told this last: the keys behind the name, and the data.
    pub(super) fn tells(&mut self, name: &str, values: &[Felt252]) {
        self.calls("nobody", ("event", name), values, Comes::Done);
    }

    /// An account has so much money.
    pub(super) fn has(&mut self, account: Felt252, units: u128) {
        let comes = Comes::Returned(wide(units).to_vec());
        self.calls("nobody", ("token", "balance_of"), &[account], comes);
    }

    /// All steps as the player takes them.
    pub(super) fn felts(&self) -> Vec<Felt252> {
        let count = Felt252::from(self.steps.len());
        std::iter::once(count).chain(self.steps.iter().flatten().copied()).collect()
    }
}
