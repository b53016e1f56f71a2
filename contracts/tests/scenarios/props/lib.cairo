//! What histories of all contracts begin with.
pub mod judge;

use starknet::syscalls::deploy_syscall;
use starknet::{ClassHash, ContractAddress, SyscallResult, SyscallResultTrait};

pub fn deploy(class: ClassHash, calldata: Array<felt252>) -> ContractAddress {
    let (address, _) = deployed(class, calldata).unwrap_syscall();
    address
}
/// As `deploy`, where it may be refused.
pub fn deployed(
    class: ClassHash, calldata: Array<felt252>,
) -> SyscallResult<(ContractAddress, Span<felt252>)> {
    deploy_syscall(class, 0, calldata.span(), false)
}

/// A call was refused with this word.
pub fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, word: felt252) {
    match result {
        Result::Ok(_) => core::panics::panic(array!['not refused', word]),
        Result::Err(words) => {
            if *words.at(0) != word {
                core::panic_with_felt252(*words.at(0));
            }
        },
    }
}
