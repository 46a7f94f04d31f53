//! Which destinations a series goes to.

use xxhash_rust::xxh3::xxh3_64;

/// How series spread over the destinations of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// Rendezvous hashing over the destinations' names: each destination gets an even share, and a destination that
    /// comes or goes moves only its own.
    Rendezvous,
    /// Jump consistent hashing over the destinations in the order of the route: destinations may be added or taken only
    /// at the end.
    Jump,
    /// Open-Falcon's ring: CRC-32, 500 points a destination. For those who migrate and want series to stay where they
    /// are.
    Falcon,
}

/// A route's destinations, made ready for look-ups.
#[derive(Clone, Debug)]
pub(crate) enum Placement {
    Rendezvous(Vec<u64>),
    Jump(usize),
    Falcon { ring: Vec<(u32, usize)>, destinations: usize },
}

/// Points of a destination on Open-Falcon's ring.
const FALCON_POINTS: usize = 500;

impl Placement {
    pub(crate) fn new(kind: HashKind, names: &[String]) -> Self {
        match kind {
            HashKind::Rendezvous => Self::Rendezvous(names.iter().map(|name| xxh3_64(name.as_bytes())).collect()),
            HashKind::Jump => Self::Jump(names.len()),
            HashKind::Falcon => Self::Falcon { ring: falcon_ring(names), destinations: names.len() },
        }
    }

    /// The places of `replicas` distinct destinations for a key, the home destination first; all destinations if there
    /// are fewer.
    pub(crate) fn place(&self, key: &str, replicas: usize) -> Vec<usize> {
        match self {
            Self::Rendezvous(destinations) => rendezvous(key, destinations, replicas),
            Self::Jump(destinations) => jump_replicas(key, *destinations, replicas),
            Self::Falcon { ring, destinations } => falcon(key, ring, replicas.min(*destinations)),
        }
    }
}

/// The destinations with the highest scores. (D. Thaler, C. Ravishankar, "A Name-Based Mapping Scheme for Rendezvous",
/// 1996.)
fn rendezvous(key: &str, destinations: &[u64], replicas: usize) -> Vec<usize> {
    let key = xxh3_64(key.as_bytes());
    let mut scored: Vec<_> =
        destinations.iter().enumerate().map(|(place, destination)| (mix(key ^ destination), place)).collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored.into_iter().take(replicas).map(|(_, place)| place).collect()
}

/// The finisher of SplitMix64: every bit of the input changes half of the output's.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Jump consistent hash. (J. Lamping, E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.)
fn jump(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0_i64, 0_i64);
    while next < buckets as i64 {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let step = f64::from(1_u32 << 31) / ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * step) as i64;
    }
    bucket as usize
}

/// Each copy jumps among the destinations that are left, with a key of its own.
fn jump_replicas(key: &str, destinations: usize, replicas: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..destinations).collect();
    let mut hash = xxh3_64(key.as_bytes());
    let mut chosen = Vec::with_capacity(replicas.min(destinations));
    while chosen.len() < replicas && !left.is_empty() {
        chosen.push(left.remove(jump(hash, left.len())));
        hash = mix(hash);
    }
    chosen
}

/// As in stathat/consistent, which Open-Falcon copied: the CRC-32 of a decimal number before the name; destinations in
/// the order of their names, and on a collision the later one wins.
fn falcon_ring(names: &[String]) -> Vec<(u32, usize)> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| names[a].cmp(&names[b]));
    let mut points = std::collections::BTreeMap::new();
    for place in order {
        for number in 0..FALCON_POINTS {
            points.insert(crc32fast::hash(format!("{number}{}", names[place]).as_bytes()), place);
        }
    }
    points.into_iter().collect()
}

/// The first point strictly beyond the key's, and for more copies the next destinations on the ring.
fn falcon(key: &str, ring: &[(u32, usize)], replicas: usize) -> Vec<usize> {
    let hash = crc32fast::hash(key.as_bytes());
    let start = ring.partition_point(|&(point, _)| point <= hash);
    let mut chosen = Vec::with_capacity(replicas);
    for step in 0..ring.len() {
        if chosen.len() == replicas {
            break;
        }
        let (_, place) = ring[(start + step) % ring.len()];
        if !chosen.contains(&place) {
            chosen.push(place);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("graph-{number:02}")).collect()
    }

    fn keys() -> impl Iterator<Item = String> {
        (0..20_000).map(|number| format!("host{}/cpu.idle/core={}", number / 16, number % 16))
    }

    fn home(placement: &Placement, key: &str) -> usize {
        placement.place(key, 1)[0]
    }

    #[test]
    fn open_falcons_vectors_hold() {
        let ring = falcon_ring(&["graph-00".into()]);
        for hash in [1_677_954_284, 1_937_283_247, 1_232_801_433] {
            assert!(ring.contains(&(hash, 0)), "{hash}");
        }
        let three = Placement::new(HashKind::Falcon, &names(3));
        let four = Placement::new(HashKind::Falcon, &names(4));
        for (key, in_three, in_four) in [
            ("host1/cpu.idle", 2, 3),
            ("host1/net.if.in.bytes/iface=eth0", 1, 1),
            ("endpoint1/metric1/k1=v1,k2=v2", 1, 1),
        ] {
            assert_eq!((home(&three, key), home(&four, key)), (in_three, in_four), "{key}");
        }
    }

    #[test]
    fn the_ring_does_not_depend_on_the_order_of_its_destinations() {
        let (forward, mut backward) = (names(3), names(3));
        backward.reverse();
        let (a, b) = (Placement::new(HashKind::Falcon, &forward), Placement::new(HashKind::Falcon, &backward));
        for key in keys().take(500) {
            assert_eq!(forward[home(&a, &key)], backward[home(&b, &key)]);
        }
    }

    #[test]
    fn jump_agrees_with_other_implementations() {
        // The vectors that Guava holds its own against.
        let of_100 = [0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83];
        for (key, expected) in (0..).zip(of_100) {
            assert_eq!(jump(key, 100), expected, "{key}");
        }
        for (key, expected) in
            [(10_863_919_174_838_991, 6), (2_016_238_256_797_177_309, 3), (1_673_758_223_894_951_030, 5)]
        {
            assert_eq!(jump(key, 11), expected, "{key}");
        }
    }

    #[test]
    fn copies_stand_on_distinct_destinations_and_the_first_stays_the_home() {
        for kind in [HashKind::Rendezvous, HashKind::Jump, HashKind::Falcon] {
            let placement = Placement::new(kind, &names(5));
            for key in keys().take(500) {
                let three = placement.place(&key, 3);
                let mut distinct = three.clone();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), 3, "{kind:?}");
                assert_eq!(three[0], home(&placement, &key), "{kind:?}");
                assert_eq!(placement.place(&key, 9).len(), 5, "{kind:?}");
            }
        }
    }

    #[test]
    fn rendezvous_and_jump_share_evenly() {
        for kind in [HashKind::Rendezvous, HashKind::Jump] {
            let placement = Placement::new(kind, &names(10));
            let mut counts = [0; 10];
            keys().for_each(|key| counts[home(&placement, &key)] += 1);
            assert!(counts.iter().all(|count| (1800..=2200).contains(count)), "{kind:?} {counts:?}");
        }
    }

    #[test]
    fn a_destination_that_is_added_takes_its_share_and_moves_nothing_else() {
        for kind in [HashKind::Rendezvous, HashKind::Jump] {
            let (ten, eleven) = (Placement::new(kind, &names(10)), Placement::new(kind, &names(11)));
            let mut moved = 0;
            for key in keys() {
                let (before, after) = (home(&ten, &key), home(&eleven, &key));
                if before != after {
                    assert_eq!(after, 10, "{kind:?}: only to the new destination");
                    moved += 1;
                }
            }
            let share = f64::from(moved) / 20_000.0;
            assert!((0.081..=0.101).contains(&share), "{kind:?} {share}");
        }
    }
}
