//! Prime numbers, and the keys that consist of them, from the host's randomness alone: the same seed
//! gives the same keys. (Keys that need not be reproducible come from the cryptographic library.)

use num_bigint::BigUint;

use super::der;
use crate::template::{CallError, Context};

/// A new RSA key in PKCS #1.
pub(super) fn rsa_key(context: &mut Context<'_>, bits: u64) -> Result<Vec<u8>, CallError> {
    let one = BigUint::from(1_u8);
    let exponent = BigUint::from(65_537_u32);
    loop {
        let p = prime(context, bits / 2)?;
        let q = prime(context, bits / 2)?;
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        let modulus = &p * &q;
        let totient = (&p - &one) * (&q - &one);
        let (Some(private), Some(coefficient)) = (exponent.modinv(&totient), q.modinv(&p)) else {
            continue;
        };
        if modulus.bits() != bits {
            continue;
        }
        let numbers = [
            &modulus,
            &exponent,
            &private,
            &p,
            &q,
            &(&private % (&p - &one)),
            &(&private % (&q - &one)),
            &coefficient,
        ];
        return Ok(key_of(&numbers));
    }
}

/// A new DSA key with a modulus of 2048 bits and a subgroup of 256, as sprig writes it: version, P, Q,
/// G, Y, X.
pub(super) fn dsa_key(context: &mut Context<'_>) -> Result<Vec<u8>, CallError> {
    let one = BigUint::from(1_u8);
    let q = prime(context, 256)?;
    let step = &q << 1;
    let p = loop {
        let candidate = odd_number(context, 2048)?;
        // The nearest number below of which one less is a multiple of 2q.
        let excess: BigUint = &candidate % &step;
        let candidate: BigUint = candidate - excess + &one;
        if candidate.bits() == 2048 && is_prime(context, &candidate)? {
            break candidate;
        }
    };
    let power = (&p - &one) / &q;
    let mut base = BigUint::from(2_u8);
    let g = loop {
        let g = base.modpow(&power, &p);
        if g != one {
            break g;
        }
        base += &one;
    };
    let x = loop {
        let mut bytes = [0; 32];
        context.random(&mut bytes)?;
        let x = BigUint::from_bytes_be(&bytes);
        if x != BigUint::ZERO && x < q {
            break x;
        }
    };
    let y = g.modpow(&x, &p);
    Ok(key_of(&[&p, &q, &g, &y, &x]))
}

/// Version 0 and numbers.
fn key_of(numbers: &[&BigUint]) -> Vec<u8> {
    let mut elements = vec![der::unsigned(&[])];
    elements.extend(
        numbers
            .iter()
            .map(|number| der::unsigned(&number.to_bytes_be())),
    );
    der::sequence(&elements)
}

/// A prime with exactly so many bits, the two highest of them set.
fn prime(context: &mut Context<'_>, bits: u64) -> Result<BigUint, CallError> {
    loop {
        let start = odd_number(context, bits)?;
        // The odd numbers from there on: their remainders are cheaper than new numbers.
        let remainders: Vec<u32> = SMALL_PRIMES
            .iter()
            .map(|&small| remainder(&start, small))
            .collect();
        for offset in (0..4096_u32).step_by(2) {
            let divisible = SMALL_PRIMES
                .iter()
                .zip(&remainders)
                .any(|(&small, &remainder)| (remainder + offset) % small == 0);
            if divisible {
                continue;
            }
            let candidate = &start + offset;
            if candidate.bits() == bits && is_prime(context, &candidate)? {
                return Ok(candidate);
            }
        }
    }
}

fn odd_number(context: &mut Context<'_>, bits: u64) -> Result<BigUint, CallError> {
    let mut bytes = vec![0; (bits / 8) as usize];
    context.random(&mut bytes)?;
    if let Some(first) = bytes.first_mut() {
        *first |= 0xc0;
    }
    if let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    Ok(BigUint::from_bytes_be(&bytes))
}

fn remainder(number: &BigUint, small: u32) -> u32 {
    (number % small).try_into().unwrap_or(0)
}

/// Miller's and Rabin's test with random bases; a number that is not prime passes with a probability
/// below 2^-64.
fn is_prime(context: &mut Context<'_>, number: &BigUint) -> Result<bool, CallError> {
    if SMALL_PRIMES
        .iter()
        .any(|&small| remainder(number, small) == 0)
    {
        return Ok(SMALL_PRIMES
            .iter()
            .any(|&small| *number == BigUint::from(small)));
    }
    let one = BigUint::from(1_u8);
    let before = number - &one;
    let twos = before.trailing_zeros().unwrap_or(0);
    let odd = &before >> twos;
    let length = (number.bits() / 8) as usize;
    // The larger a random number is, the less do false witnesses tell of it.
    let rounds = if number.bits() >= 1024 { 8 } else { 32 };
    'rounds: for _ in 0..rounds {
        let mut bytes = vec![0; length];
        context.random(&mut bytes)?;
        let base = BigUint::from_bytes_be(&bytes) % &before;
        if base <= one {
            continue;
        }
        let mut power = base.modpow(&odd, number);
        if power == one || power == before {
            continue;
        }
        for _ in 1..twos {
            power = &power * &power % number;
            if power == before {
                continue 'rounds;
            }
        }
        return Ok(false);
    }
    Ok(true)
}

#[rustfmt::skip]
const SMALL_PRIMES: [u32; 94] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193,
    197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283, 293, 307,
    311, 313, 317, 331, 337, 347, 349, 353, 359, 367, 373, 379, 383, 389, 397, 401, 409, 419, 421,
    431, 433, 439, 443, 449, 457, 461, 463, 467, 479, 487, 491, 499,
];
