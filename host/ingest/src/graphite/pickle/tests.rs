//! Pickles as Python makes them, over a real socket, and those that nobody should run.

use super::*;
use crate::testing::{NOWHERE_YET, Open, neighbours, read};

/// `[("a.b;dc=ams", (1700000000, 1.5)), ("a.c", (1700000000.7, 2)), ("big", (1700000000, "3")), ("neg", (1700000000, -4))]` of
/// Python's protocols 0, 1, 2 and 4.
const PICKLES: [&str; 4] = [
    "286c70300a2856612e623b64633d616d730a70310a2849313730303030303030300a46312e350a7470320a7470330a612856612e630a70340a2846313730303030303030302e370a49320a7470350a7470360a6128566269670a70370a2849313730303030303030300a56330a70380a7470390a747031300a6128566e65670a7031310a2849313730303030303030300a492d340a747031320a747031330a612e",
    "5d71002828580a000000612e623b64633d616d737101284a00f15365473ff8000000000000747102747103285803000000612e637104284741d954fc402ccccd4b027471057471062858030000006269677107284a00f15365580100000033710874710974710a2858030000006e6567710b284a00f153654afcffffff74710c74710d652e",
    "80025d710028580a000000612e623b64633d616d7371014a00f15365473ff80000000000008671028671035803000000612e6371044741d954fc402ccccd4b02867105867106580300000062696771074a00f15365580100000033710886710986710a58030000006e6567710b4a00f153654afcffffff86710c86710d652e",
    "80049560000000000000005d94288c0a612e623b64633d616d73944a00f15365473ff8000000000000869486948c03612e63944741d954fc402ccccd4b02869486948c03626967944a00f153658c013394869486948c036e6567944a00f153654afcffffff86948694652e",
];
const AT: &str = "at 1700000000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn framed(pickle: &[u8]) -> Vec<u8> {
    [&u32::try_from(pickle.len()).unwrap().to_be_bytes(), pickle].concat()
}

async fn open() -> Open<Pickle> {
    let mut config = PickleConfig::default();
    config.0.sockets.tcp = Some(NOWHERE_YET);
    Open::new(config).await
}

#[tokio::test]
async fn every_protocol_of_python_is_read_when_names_are_new_and_when_they_are_known() {
    let open = open().await;
    for pickle in PICKLES.iter().chain(&PICKLES) {
        open.say(framed(&bytes(pickle))).await;
        let expected = ["a.b{dc=ams} of self = 1.5", "a.c of self = 2", "big of self = 3", "neg of self = -4"];
        assert_eq!(open.points(), expected.map(|point| format!("{point} {AT}")), "{pickle}");
    }
    let many: Vec<u8> = PICKLES.iter().flat_map(|pickle| framed(&bytes(pickle))).collect();
    open.say([&many[..], &many].concat()).await;
    assert_eq!(open.points().len(), 32);
    assert_eq!(open.counts().rejected.total(), 0);
}

#[tokio::test]
async fn a_point_that_is_wrong_spoils_no_other() {
    let open = open().await;
    // [("a", (1700000000, "x")), ("b", (1700000000, 1)), 7, ("c", 1), ("d", (None, 1)), ("", (1700000000, 1))]
    let point = |name: &str, inner: &str| format!("8c{:02x}{}{inner}86", name.len(), hex(name));
    let (seconds, one) = ("4a00f15365", "4b01");
    let items = [
        point("a", &format!("{seconds}8c017886")),
        point("b", &format!("{seconds}{one}86")),
        "4b07".into(),
        point("c", one),
        point("d", &format!("4e{one}86")),
        point("", &format!("{seconds}{one}86")),
    ];
    open.say(framed(&bytes(&format!("80045d28{}652e", items.concat())))).await;
    assert_eq!(open.points(), [format!("b of self = 1 {AT}")]);
    assert_eq!(open.counts().rejected.malformed_count(), 5);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_is_not_data_is_not_run_and_says_so() {
    let open = open().await;
    let lines = Pickles::of("host");
    for (pickle, expected) in [
        // cos\nsystem\n(S'echo'\ntR.
        (
            &b"cos\nsystem\n(S'echo'\ntR."[..],
            "the pickle cannot be read: opcode 0x63 makes more than numbers, texts, lists and tuples",
        ),
        (b"\x80\x04\x93.", "the pickle cannot be read: opcode 0x93 makes more than numbers, texts, lists and tuples"),
        (b"}.", "the pickle cannot be read: opcode 0x7d makes more than numbers, texts, lists and tuples"),
        (b"]", "the pickle cannot be read: it ends too early"),
        (b"", "the pickle cannot be read: it ends too early"),
        (b".", "the pickle cannot be read: it takes what is not there"),
        (b"t.", "the pickle cannot be read: it takes what is not there"),
        (b"\x87.", "the pickle cannot be read: it takes what is not there"),
        (b"h\x05.", "the pickle cannot be read: it takes what is not there"),
        (b"X\xff\xff\xff\xffa", "the pickle cannot be read: it ends too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "the pickle cannot be read: it ends too early"),
        (b"Ix\n.", "the pickle cannot be read: a number in it is none"),
        (b"S'a\\n'\n.", "the pickle cannot be read: a text in it has escapes"),
        (b"K\x01.", "the pickle must be a list of (name, (time, value))"),
        (b"](K\x01e.", "point 1: it must be (name, (time, value))"),
        (b"](X\x01\x00\x00\x00aK\x01N\x86\x86e.", "point 1: 'a': the value must be a number"),
        (
            b"](X\x01\x00\x00\x00aNK\x01\x86\x86e.",
            "point 1: 'a': the time must be seconds since 1970, or -1 or 0 for now",
        ),
        (b"](X\x01\x00\x00\x00;K\x01K\x01\x86\x86e.", "point 1: ';': the line begins with tags instead of a name"),
    ] {
        let report = read(&open.pipeline, &lines, &framed(pickle)).await;
        assert_eq!(report.faults[0].what, expected, "{pickle:?}");
    }
    let bomb = vec![b'N'; 1 << 19];
    let report = read(&open.pipeline, &lines, &framed(&bomb)).await;
    assert_eq!(report.faults[0].what, "the pickle cannot be read: it has more than 262144 values");
    let mut many = b"](X\x01\x00\x00\x00aJ\x00\xf1SeK\x01\x86\x86q\x00".to_vec();
    many.extend(std::iter::repeat_n(*b"h\x00", 20_000).flatten());
    many.extend(b"e.");
    let report = read(&open.pipeline, &lines, &framed(&many)).await;
    assert_eq!(
        (report.taken, &*report.faults[0].what),
        (10_000, "the pickle has 20001 points; no more than 10000 are taken")
    );
}

#[tokio::test]
async fn a_length_that_cannot_be_and_a_half_pickle_end_the_connection() {
    let open = open().await;
    open.say(b"put m 1 2\n").await;
    assert_eq!(open.counts().rejected.malformed_count(), 1);
    let half = framed(&bytes(PICKLES[2]));
    open.say(&half[..half.len() - 1]).await;
    open.received(2).await;
    assert_eq!((open.points().len(), open.counts().rejected.malformed_count()), (0, 2));
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    for pickle in [PICKLES[0], PICKLES[3]] {
        for bytes in neighbours(&framed(&bytes(pickle))) {
            read(&open.pipeline, &Pickles::of("host"), &bytes).await;
            let _ = Frames.whole(&bytes);
        }
    }
}

impl Pickles {
    fn of(endpoint_tag: &str) -> Self {
        Self { names: GraphiteLines { endpoint_tag: endpoint_tag.into(), step_s: 60, endpoint: "self".into() } }
    }
}
