//! Numbers that a seed decides.

use uuid::Uuid;

/// A number in which every bit of `a` and `b` has a say (the finaliser of
/// SplitMix64). Stable for ever: traces are compared across builds.
#[must_use]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number for a text, eight bytes at a time.
#[must_use]
pub(crate) fn digest(text: &str) -> u64 {
    let mut sum = text.len() as u64;
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = mix(sum, u64::from_le_bytes(word));
    }
    sum
}

/// A UUID from a number.
#[must_use]
pub(crate) fn uuid(number: u64) -> String {
    let (a, b) = (mix(number, 1), mix(number, 2));
    // Its form is that of a random one (RFC 9562, version 4).
    let (a, b) = (a & !0xf000 | 0x4000, b & !(3 << 62) | 1 << 63);
    let id = Uuid::from_u64_pair(a, b).hyphenated();
    id.encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_differ_and_stay_the_same() {
        assert_ne!(digest("a"), digest("b"));
        assert_ne!(digest("order-12"), digest("order-21"));
        // Written down: a change here changes every trace hash.
        assert_eq!(mix(1, 2), 0xbfc8_4610_0bfc_1e42);
        assert_eq!(digest("duet"), 0xc998_4509_a234_8221);
        assert_eq!(digest("order-12345"), 0xbc25_ae3c_e5e2_0d9f);
        assert_eq!(uuid(1), "beeb8da1-658e-4c67-bfc8-46100bfc1e42");
    }
}
