//! Bodies against a real series table; and against another parser, line by line.

use influxdb_line_protocol::{Error, FieldValue, parse_lines};
use saker_model::{MetricType, RelabelMemo, Resolution, SeriesTable};
use saker_pipeline::SeriesGeneration;

use super::*;
use crate::keys::KeyCache;
use crate::reading::{BodyDecoder, Fault, Report};

const NOW_MS: i64 = 1_700_000_000_000;
const NOW: &str = "1700000000000000000";

/// A series table with known keys beside it, and a processor that drops metrics named `dropped`.
struct World {
    table: SeriesTable,
    known: KeyCache,
    mapping: Mapping,
    request: WriteParameters,
}

impl World {
    fn new() -> Self {
        Self {
            table: SeriesTable::new(100_000),
            known: KeyCache::new(16 << 20),
            mapping: Mapping {
                separator: "_".into(),
                value_field: "value".into(),
                endpoint_tag: "host".into(),
                step_s: 10,
                reject_string_fields: true,
            },
            request: nanoseconds(None),
        }
    }

    fn name(&self, mut value: Sample, now_s: u32) -> Resolution {
        if let Err(reason) = value.validate(NOW_MS) {
            return Resolution { source: None, target: Err(reason), lasting: reason.is_of_series() };
        }
        let id = self.table.intern(&value, now_s).unwrap();
        let dropped = value.metric.starts_with("dropped");
        self.table.set_mapped(id, if dropped { RelabelMemo::Dropped } else { RelabelMemo::To(id) });
        Resolution {
            source: Some(id),
            target: if dropped { Err(RejectReason::Processor) } else { Ok(id) },
            lasting: true,
        }
    }

    /// Reads a body to its end; answers the points in words, how many values were new, and the report.
    fn read(&self, body: &[u8]) -> (Vec<String>, usize, Report) {
        let lines = InfluxLines::new(self.mapping.clone(), self.request.clone());
        let mut reading = BodyDecoder::new(body.into(), &lines, &self.known, NOW_MS);
        let (mut points, mut new) = (Vec::new(), 0);
        while reading.has_more() {
            let epoch = self.table.epoch();
            reading.read(SeriesGeneration::numbered(epoch), 1000);
            let values = reading.new_samples();
            new += values.len();
            reading.named(values.into_iter().map(|value| self.name(value, 1000)).collect());
            assert!(self.table.touch(reading.seen().iter().copied(), 1000, epoch));
            reading.confirm();
            points.extend(reading.points().iter().map(|point| {
                format!("{} = {} at {}", self.table.get(point.series).unwrap(), point.value, point.timestamp_ms)
            }));
        }
        (points, new, reading.finish())
    }

    /// Expects these points, when the keys are new and when they are known.
    fn check(&self, body: &str, expected: &[&str]) {
        let (points, ..) = self.read(body.as_bytes());
        assert_eq!(points, expected, "{body}");
        let (again, new, _) = self.read(body.as_bytes());
        assert_eq!((again, new), (points, 0), "known: {body}");
    }

    /// Expects this fault in line 1, when the key is new and when it may be known.
    fn fault(&self, line: &str, expected: &str) {
        for _ in 0..2 {
            let (_, _, report) = self.read(line.as_bytes());
            let fault = Fault { line: 1, at: report.faults[0].at, what: expected.into() };
            assert_eq!(report.faults, [fault], "{line}");
        }
    }
}

fn nanoseconds(db: Option<&str>) -> WriteParameters {
    let mapping = crate::influx::InfluxConfig::default().mapping;
    let request = WriteParameters::new(&mapping, &"self".into()).with(db.map(Into::into), ExtraTags::default());
    WriteParameters { precision: Precision::Nanoseconds, ..request }
}

#[test]
fn lines_become_points_of_series_named_by_measurement_field_and_tags() {
    let world = World::new();
    world.check(
        &format!("cpu,host=web-1,core=0 user=1.5,idle=97i,up=t {NOW}\n"),
        &[
            "cpu_user{core=0} of web-1 = 1.5 at 1700000000000",
            "cpu_idle{core=0} of web-1 = 97 at 1700000000000",
            "cpu_up{core=0} of web-1 = 1 at 1700000000000",
        ],
    );
    world.check("load value=3,n=4u 1000000", &["load of self = 3 at 1", "load_n of self = 4 at 1"]);
    world.check("m,b=2,a=1,c= x=1", &["m_x{a=1,b=2} of self = 1 at 1700000000000"]);
    world.check(r"a\ b,pa\ th=/x x\,y=1 0", &["a b_x,y{pa th=/x} of self = 1 at 0"]);
}

#[test]
fn empty_lines_comments_spaces_and_carriage_returns_are_forgiven() {
    let world = World::new();
    world.check(
        "\r\n# a comment\n\n   m   a=1   1000000   \r\n\tm b=2\r\nm c=3",
        &["m_a of self = 1 at 1", "m_b of self = 2 at 1700000000000", "m_c of self = 3 at 1700000000000"],
    );
    assert_eq!(world.read(b"").2, Report::default());
    assert_eq!(world.read(b"\n# nothing").2, Report::default());
}

#[test]
fn a_database_becomes_a_tag_unless_the_line_has_one() {
    let mut world = World::new();
    world.check("m x=1 0", &["m_x of self = 1 at 0"]);
    world.request = nanoseconds(Some("telegraf"));
    world.check("m x=1 0", &["m_x{db=telegraf} of self = 1 at 0"]);
    world.check("m,db=own x=1 0", &["m_x{db=own} of self = 1 at 0"]);
    world.request = nanoseconds(Some("other"));
    world.check("m x=1 0", &["m_x{db=other} of self = 1 at 0"]);
}

#[test]
fn a_line_that_is_known_may_have_other_fields_in_another_order() {
    let world = World::new();
    world.check("m a=1,b=2,c=3 0", &["m_a of self = 1 at 0", "m_b of self = 2 at 0", "m_c of self = 3 at 0"]);
    let (points, new, _) = world.read(b"m c=6,a=4 0\nm b=5 0\nm a=1,bb=2,b=3 0");
    let expected = [
        "m_c of self = 6 at 0",
        "m_a of self = 4 at 0",
        "m_b of self = 5 at 0",
        "m_a of self = 1 at 0",
        "m_b of self = 3 at 0",
        "m_bb of self = 2 at 0",
    ];
    assert_eq!((points.as_slice(), new), (&expected.map(String::from)[..], 1));
    assert_eq!(world.read(b"m bb=1,c=1 0").1, 0);
}

#[test]
fn a_bad_line_rejects_itself_alone_and_is_told_by_its_number() {
    let world = World::new();
    let body = "m a=1,b=2 0\n\nm a=1,b=x 0\n# c\nm b=3 0\nm\nm a=4 1.5";
    for _ in 0..2 {
        let (points, _, report) = world.read(body.as_bytes());
        assert_eq!(points, ["m_a of self = 1 at 0", "m_b of self = 2 at 0", "m_b of self = 3 at 0"]);
        assert_eq!((report.taken, report.faulty), (3, 3));
        let lines: Vec<_> = report.faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 6, 7]);
    }
}

#[test]
fn what_is_wrong_is_said_with_the_text_at_that_place() {
    let world = World::new();
    for (line, expected) in [
        (
            "cpu",
            "unable to parse 'cpu': the line has no fields: a space and name=value must follow measurement and tags",
        ),
        (
            "cpu,a=b \n",
            "unable to parse 'cpu,a=b ': the line has no fields: a space and name=value must follow measurement and tags",
        ),
        (",a=b x=1", "unable to parse ',a=b x=1': the line begins with a comma instead of a measurement"),
        ("m,a x=1", "unable to parse 'm,a x=1': a tag must be key=value"),
        ("m x", "unable to parse 'x': a field must be name=value"),
        ("m x=1,", "unable to parse '': a field must be name=value"),
        ("m =1", "unable to parse '=1': a field must be name=value"),
        ("m x=", "unable to parse '': a field's value must be a number, true, false or text in double quotes"),
        ("m x=1a 5", "unable to parse '1a 5': a field's value must be a number, true, false or text in double quotes"),
        ("m x=\"a", "unable to parse '\"a': a field's value must be a number, true, false or text in double quotes"),
        (
            "m x=\"a\"b",
            "unable to parse '\"a\"b': a field's value must be a number, true, false or text in double quotes",
        ),
        ("m x=1 now", "unable to parse 'now': behind the fields only a timestamp may stand, a whole number"),
        ("m x=1 1 2", "unable to parse '1 2': behind the fields only a timestamp may stand, a whole number"),
        (
            "m x=1 99999999999999999999",
            "unable to parse '99999999999999999999': behind the fields only a timestamp may stand, a whole number",
        ),
        ("m x=\"text\"", "field 'x': value is text, and only numbers can be kept"),
        ("m x=1e999", "field 'x': value is not finite"),
        ("m x=1 -1000000", "timestamp is before 1970, or no time at all"),
        ("m x=1 1800000000000000000", "timestamp is more than ten minutes ahead of this host's clock"),
        (
            "m,a=b\u{7f}c x=1",
            "field 'x': a tag must have a key of 1 to 255 bytes, a value of at most 4096, and no control character",
        ),
        ("m,a=1,a=2 x=1", "field 'x': a tag key stands twice"),
    ] {
        world.fault(line, expected);
    }
    let (_, _, report) = world.read(b"m\xff x=1\nm \xff=1");
    assert!(report.faults.iter().all(|fault| fault.what.ends_with("must be UTF-8")), "{report:?}");
    assert_eq!(report.faulty, 2);
}

#[test]
fn of_many_faults_the_first_ten_are_told_and_all_are_counted() {
    let world = World::new();
    let body: String = (0..50).map(|number| format!("m,a=1,a=2 x{number}=1\nbad\n")).collect();
    let (_, _, report) = world.read(body.as_bytes());
    assert_eq!((report.taken, report.faulty), (0, 100));
    let lines: Vec<_> = report.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn texts_are_left_out_and_told_only_if_they_are_to_be() {
    let mut world = World::new();
    let body = "m a=1,t=\"two\nlines, x=1 \\\"\",b=2 0\nbad";
    for reject in [true, false] {
        world.mapping.reject_string_fields = reject;
        for _ in 0..2 {
            let (mut points, _, report) = world.read(body.as_bytes());
            points.sort();
            assert_eq!(points, ["m_a of self = 1 at 0", "m_b of self = 2 at 0"]);
            assert_eq!((report.taken, report.skipped, report.faulty), if reject { (2, 0, 2) } else { (2, 1, 1) });
            let lines: Vec<_> = report.faults.iter().map(|fault| fault.line).collect();
            assert_eq!(lines, if reject { vec![1, 3] } else { vec![3] });
        }
    }
}

#[test]
fn a_rejected_line_is_rejected_to_its_own_end_whatever_its_texts_hold() {
    let world = World::new();
    for body in [
        "m v=NaN,s=\"a\nevil v=666\nb\"\ngood x=1 0",
        "m s=\"a\nevil v=666\nb\",v=one 0\ngood x=1 0",
        "m,t s=\"a\nevil v=666\nb\"\ngood x=1 0",
        "m,a\"b=c\" v=x,s=\"\\\"\nevil v=666\n\\\\\" 0\ngood x=1 0",
        "m v=1,s=\"a\nevil v=666\nb\" 99999999999999999999\ngood x=1 0",
        "m v=1,s=\"a\nevil v=666\nb\"c 0\ngood x=1 0",
        "m v=1,,s=\"a\nevil v=666\nb\" 0\ngood x=1 0",
        "m v=1,s=\"a\nevil v=666\nb\" 0 x\ngood x=1 0",
        // What is no text hides nothing.
        "m v=1\" 0\ngood x=1 0",
        "m,a=\" v=x 0\ngood x=1 0",
        "\"m v=x 0\ngood x=1 0",
        "m v=x\\\ngood x=1 0",
    ] {
        let (points, _, report) = world.read(body.as_bytes());
        assert_eq!(points, ["good_x of self = 1 at 0"], "{body}");
        assert_eq!(report.faulty, 1, "{body}: {:?}", report.faults);
    }
    let (points, _, report) = world.read(b"m v=x,s=\"open\nevil v=666\n");
    assert_eq!((points.len(), report.faulty), (0, 1), "a text without end is one to the end of the body");
}

#[test]
fn what_a_processor_drops_is_counted_and_no_fault() {
    let world = World::new();
    for _ in 0..2 {
        let (points, _, report) = world.read(b"dropped x=1,y=2 0\nm x=1 0");
        assert_eq!(points, ["m_x of self = 1 at 0"]);
        assert_eq!(report, Report { taken: 1, skipped: 2, ..Report::default() });
    }
    assert_eq!(world.read(b"dropped x=1,y=2 0").1, 0, "that they are dropped is known");
}

#[test]
fn limits_of_lines_and_fields_hold_and_the_rest_of_the_body_is_read() {
    let world = World::new();
    let fields = |count: usize| (0..count).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join(",");
    let long = "k".repeat(LINE_BYTES_MAX);
    let body = format!("a {} 0\nb {} 0\n{long} x=1\nm,{} x=1 0\nc x=1 0", fields(1024), fields(1025), long);
    let (points, _, report) = world.read(body.as_bytes());
    assert_eq!((points.len(), report.faulty), (1025, 3));
    assert_eq!(points.last().unwrap(), "c_x of self = 1 at 0");
    assert!(report.faults[0].what.ends_with("the line has more than 1024 fields"));
    assert!(report.faults[1].what.ends_with("…': the line has more than 262144 bytes"), "{:?}", report.faults);
}

#[test]
fn a_large_body_is_read_in_steps_and_in_its_order() {
    let world = World::new();
    let body: String = (0..200_000).map(|n| format!("m,host=h{} x={n},y={n} {n}\n", n % 3000)).collect();
    for _ in 0..2 {
        let (points, _, report) = world.read(body.as_bytes());
        assert_eq!((points.len(), report.taken, report.faulty), (400_000, 400_000, 0));
        let of = |host: &str| -> Vec<_> {
            points.iter().filter(|p| p.starts_with(host)).map(|p| p.split(' ').nth(4).unwrap().to_owned()).collect()
        };
        let expected: Vec<_> = (0..200_000).filter(|n| n % 3000 == 7).map(|n| n.to_string()).collect();
        assert_eq!(of("m_x of h7 "), expected);
    }
    assert_eq!(world.table.len(), 6000);
}

#[test]
fn after_the_epoch_has_moved_a_step_is_read_again_with_new_names() {
    let world = World::new();
    world.read(b"m x=1 0");
    let lines = InfluxLines::new(world.mapping.clone(), world.request.clone());
    let mut reading = BodyDecoder::new(b"m x=2 0\nbad"[..].into(), &lines, &world.known, NOW_MS);
    let epoch = world.table.epoch();
    reading.read(SeriesGeneration::numbered(epoch), 1000);
    assert_eq!((reading.points().len(), reading.new_samples().len()), (1, 0));
    let gone = world.table.sweep(2000);
    assert!(!world.table.touch(reading.seen().iter().copied(), 2000, epoch));
    world.table.release(&gone);
    let other = world.name(new_value("other"), 2000);
    assert_eq!(other.source, Some(gone[0]), "the id is another's now");
    reading.read(SeriesGeneration::numbered(world.table.epoch()), 2000);
    let new = reading.new_samples();
    assert_eq!((reading.points().len(), new.len()), (0, 1));
    let names: Vec<_> = new.into_iter().map(|value| world.name(value, 2000)).collect();
    assert_ne!(names[0].source, other.source);
    reading.named(names);
    reading.confirm();
    assert_eq!(reading.points().len(), 1);
    let report = reading.finish();
    assert_eq!((report.taken, report.faulty), (1, 1), "what was read twice counts once");
}

fn new_value(metric: &str) -> Sample {
    Sample {
        endpoint: "self".into(),
        metric: metric.into(),
        tags: vec![],
        metric_type: MetricType::Gauge,
        value: 1.0,
        timestamp_ms: 0,
        step_s: 10,
    }
}

/// Chance that always falls the same way.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const WORDS: &[&str] =
    &["cpu", "a", r"b\ c", r"d\,e", r"f\=g", r"h\\", r"i\j", "k\u{e9}", "#l", "\"m\"", "n:o", "7", "-", r"\\\ p"];
const VALUES: &[&str] = &[
    "1",
    "-1",
    "0.5",
    "-12.75",
    "1e5",
    "2.5E-3",
    "7i",
    "-7i",
    "7u",
    "t",
    "F",
    "true",
    "False",
    "TRUE",
    "\"text\"",
    r#""a, b=\"c\" \\""#,
    "1.5i",
    "x",
    "",
    "--1",
    "1e",
    "9223372036854775807i",
    "9223372036854775808i",
    "\"open",
    "0x1",
    "123456789012345678",
    "0.1234567890123456789",
];
const TIMES: &[&str] =
    &["", " 0", " 1700000000000000000", "  5", " -5", " 1 ", " x", " 1.5", " 1 1", " 99999999999999999999"];

fn random_line(dice: &mut Dice) -> String {
    let mut line = dice.pick(WORDS).to_owned();
    for _ in 0..dice.roll(3) {
        line += &format!(",{}={}", dice.pick(WORDS), dice.pick(WORDS));
    }
    for number in 0..=dice.roll(3) {
        line += if number == 0 { " " } else { "," };
        line += &format!("{}={}", dice.pick(WORDS), dice.pick(VALUES));
    }
    line += dice.pick(TIMES);
    for _ in 0..dice.roll(3) {
        let at = dice.roll(line.len() + 1);
        if line.is_char_boundary(at) {
            line.insert_str(at, dice.pick(&[" ", ",", "=", "\\", "\"", "x", "1"]));
        }
    }
    line
}

/// What the other parser makes of a line, in the words of [`World::read`].
fn oracle(world: &World, line: &str) -> Result<Vec<String>, Error> {
    let mut points = Vec::new();
    for line in parse_lines(line) {
        let line = line?;
        for (field, value) in &line.field_set {
            let value = match value {
                FieldValue::I64(number) => *number as f64,
                FieldValue::U64(number) => *number as f64,
                FieldValue::F64(number) => *number,
                FieldValue::Boolean(truth) => f64::from(u8::from(*truth)),
                FieldValue::String(_) => continue,
            };
            let mut metric = new_value(&format!("{}_{field}", line.series.measurement));
            let tags = line.series.tag_set.iter().flatten();
            metric.tags = tags.map(|(name, value)| (name.to_string(), value.to_string())).collect();
            metric.timestamp_ms = line.timestamp.map_or(NOW_MS, |time| time.div_euclid(1_000_000));
            if metric.validate(NOW_MS).is_ok() {
                let series = world.table.get(world.table.intern(&metric, 0).unwrap()).unwrap();
                points.push(format!("{series} = {value} at {}", metric.timestamp_ms));
            }
        }
    }
    Ok(points)
}

/// Where we are stricter on purpose: a comma in a tag's or a field's name must be escaped, and none stands behind the last
/// field.
fn is_stricter(line: &str) -> bool {
    let parsed = parse_lines(line).flatten();
    let comma = |name: &str| name.contains(',');
    let mut parsed = parsed.map(|line| {
        let tag = line.series.tag_set.iter().flatten().any(|(name, _)| comma(name));
        tag || line.field_set.iter().any(|(name, _)| comma(name))
    });
    line.contains(", ") || line.ends_with(',') || parsed.any(|has| has)
}

/// Where we are more forgiving on purpose: a space at the end, a tag without a value (which is left out), a name that
/// ends with an escaped backslash, a number with digits on one side of its point alone.
fn is_looser(line: &str) -> bool {
    let empty_tag = line.contains("= ") || line.contains("=,");
    line.ends_with(' ') || empty_tag || line.contains(r"\\") || line.contains('.')
}

#[test]
fn another_parser_reads_the_same_in_every_line_that_both_take() {
    let world = World::new();
    let mut dice = Dice(7);
    let (mut same, mut rejected, mut stricter, mut looser) = (0, 0, 0, 0);
    for _ in 0..200_000 {
        let line = random_line(&mut dice);
        let (mut points, _, report) = world.read(line.as_bytes());
        points.sort();
        match oracle(&world, &line).map(|mut points| (points.sort(), points).1) {
            Ok(expected) if points == expected => same += 1,
            Ok(_) if report.faulty > 0 && is_stricter(&line) => stricter += 1,
            Err(_) if report.faulty > 0 => rejected += 1,
            Err(_) if is_looser(&line) => looser += 1,
            theirs => panic!("{line}: ours {points:?} {report:?}, theirs {theirs:?}"),
        }
    }
    assert!(same > 30_000 && rejected > 30_000, "{same} read the same, {rejected} rejected by both");
    assert!(stricter < 2000 && looser < 10_000, "{stricter} rejected by us alone, {looser} by the other alone");
}

#[test]
fn tags_of_a_request_win_over_those_of_its_lines_and_one_may_be_the_endpoint() {
    let mut world = World::new();
    let line = format!("m,tag1=value1,tag2=value2,host=a f=1 {NOW}");
    world.check(&line, &["m_f{tag1=value1,tag2=value2} of a = 1 at 1700000000000"]);
    let mut extra = ExtraTags::default();
    ["job=test", "tag2=value10"].iter().for_each(|label| extra.add(label).unwrap());
    world.request =
        WriteParameters { precision: Precision::Nanoseconds, ..WriteParameters::new(&world.mapping, &"self".into()) };
    world.request = world.request.clone().with(Some("db".into()), extra.clone());
    world.check(&line, &["m_f{db=db,job=test,tag1=value1,tag2=value10} of a = 1 at 1700000000000"]);
    extra.add("host=b").unwrap();
    world.request = world.request.clone().with(None, extra);
    world.check(&line, &["m_f{job=test,tag1=value1,tag2=value10} of b = 1 at 1700000000000"]);
}
