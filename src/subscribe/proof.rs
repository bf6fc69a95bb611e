//! Proof of work: whoever signs up lets their browser compute for a moment, once for each address. One person does not notice; a program that
//! types in a million addresses does. Nobody else is asked for it.

use sha2::{Digest as _, Sha256};

/// Longest number that is taken as a proof.
const DIGITS_MAX: usize = 20;

/// Whether `proof` makes the SHA-256 of `STAMP:ADDRESS:PROOF` begin with so many zero bits; `email` is the address as it was typed.
/// It is bound to the form by the stamp, which we signed, and to the address, so none can be used for a second address.
pub(super) fn holds(bits: u32, stamp: &str, email: &str, proof: Option<&str>) -> bool {
    let is_number = |proof: &&str| !proof.is_empty() && proof.len() <= DIGITS_MAX && proof.bytes().all(|b| b.is_ascii_digit());
    bits == 0 || proof.filter(is_number).is_some_and(|proof| zeros(format!("{stamp}:{email}:{proof}").as_bytes()) >= bits)
}

/// Zero bits at the beginning of the hash.
fn zeros(text: &[u8]) -> u32 {
    let hash: [u8; 32] = Sha256::digest(text).into();
    hash.first_chunk::<16>().map_or(0, |head| u128::from_be_bytes(*head).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_a_number_for_this_stamp_and_this_address() {
        let proof = (0..).map(|n: u64| n.to_string()).find(|n| holds(10, "stamp", "ann@example.org", Some(n))).unwrap();
        assert!(holds(0, "stamp", "ann@example.org", None), "none is asked for");
        assert!(!holds(1, "stamp", "ann@example.org", None) && !holds(1, "stamp", "ann@example.org", Some("")));
        // One in 1,024 of others would do by chance; these do not.
        for (stamp, email) in [("stump", "ann@example.org"), ("stamp", "bob@example.org"), ("stamp", "ann@example.org:")] {
            assert!(!holds(10, stamp, email, Some(&proof)), "{stamp} {email}");
        }
        for odd in ["-1", "1e3", " 1", "٣", "123456789012345678901"] {
            assert!(!holds(1, "stamp", "ann@example.org", Some(odd)) || odd.is_empty(), "{odd:?}");
        }
    }
}
