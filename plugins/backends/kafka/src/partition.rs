//! Which partition a key belongs to: the one that Kafka's own clients choose, so that whoever else writes the same key
//! writes it to the same place.

/// The partition of a key, among so many.
pub(crate) fn partition(hash: u32, count: usize) -> usize {
    // Java takes the sign away before it divides.
    (hash & 0x7fff_ffff) as usize % count
}

/// The hash of a key: MurmurHash2 in 32 bits, with the seed of Kafka's `Utils.murmur2`.
pub(crate) fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ word >> 24).wrapping_mul(FACTOR)
    };
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = SEED ^ key.len() as u32;
    for word in words {
        hash = hash.wrapping_mul(FACTOR) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_tests() {
        // `UtilsTest.testMurmur2` of Apache Kafka.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_partition_is_one_of_those_that_there_are() {
        for hash in [0, 1, u32::MAX, 1 << 31, (-973_932_308_i32) as u32] {
            for count in [1, 3, 1000] {
                assert!(partition(hash, count) < count);
            }
        }
        assert_eq!(partition(murmur2(b"abc"), 10), 7);
        assert_eq!(partition(murmur2(b"21"), 10), ((-973_932_308_i32) & 0x7fff_ffff) as usize % 10);
    }
}
