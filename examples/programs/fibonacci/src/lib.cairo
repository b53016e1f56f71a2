//! A program to prove: what it prints is public, what it is given is not.

/// Prints `n` and the Fibonacci number at that place, modulo the Stark prime.
#[executable]
fn main(n: u32) -> (u32, felt252) {
    let mut number: felt252 = 0;
    let mut next: felt252 = 1;
    let mut place = 0;
    while place != n {
        let sum = number + next;
        number = next;
        next = sum;
        place += 1;
    }
    (n, number)
}
