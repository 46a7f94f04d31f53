use super::*;
use crate::MemoryReader;
use saker_pipeline::reader::Identity;

const NOW_MS: i64 = 1_795_408_620_476;

fn command(query: &str) -> QueryCommand {
    QueryCommand { query: query.into(), range: None, step: None, format: ShellFormat::Table }
}

fn over(query: &str, range_s: u64) -> QueryCommand {
    QueryCommand { range: Some(Duration::from_secs(range_s)), ..command(query) }
}

const VECTOR: &str = concat!(
    r#"{"status":"success","data":{"resultType":"vector","result":["#,
    r#"{"metric":{"__name__":"cpu_busy","core":"0"},"value":[1795408620.476,"42.5"]},"#,
    r#"{"metric":{"__name__":"cpu_busy","host":"a,\"b\""},"value":[1795408620.476,"7"]}]},"warnings":["look"]}"#
);
const MATRIX: &str = concat!(
    r#"{"status":"success","data":{"resultType":"matrix","result":["#,
    r#"{"metric":{"core":"0"},"values":[[0,"1"],[10,"3"],[20,"2"]]},"#,
    r#"{"metric":{"core":"1"},"values":[[20,"NaN"]]}]}}"#
);

#[test]
fn a_question_becomes_a_form_and_a_range_lies_on_the_grid_of_its_step() {
    let request = command("up{a=\"é\"}").request(NOW_MS).unwrap();
    assert_eq!((request.path, &*request.form), ("/api/v1/query", "query=up%7Ba%3D%22%C3%A9%22%7D&time=1795408620.476"));
    let request = over("up", 86_400).request(NOW_MS).unwrap();
    assert_eq!(request.path, "/api/v1/query_range");
    assert_eq!(request.form, "query=up&start=1795323600&end=1795408620.476&step=1800");
    let finer = QueryCommand { step: Some(Duration::from_millis(1500)), ..over("up", 60) };
    assert_eq!(finer.request(NOW_MS).unwrap().form, "query=up&start=1795408561.500&end=1795408620.476&step=1.500");
}

#[test]
fn a_mistake_is_drawn_with_a_caret_before_anything_is_sent() {
    for (query, drawn) in
        [("sum(rate(cpu_busy))", "\n  sum(rate(cpu_busy))\n           ^"), ("{\"größe\"} +", "\n  {\"größe\"} +\n  ")]
    {
        let error = command(query).request(NOW_MS).unwrap_err().to_string();
        assert!(error.contains(drawn) && error.ends_with('^'), "{error}");
        assert!(error.lines().next().unwrap().contains("; "), "it says a cure: {error}");
    }
    let long = format!("{}\n{} +", "a +", "b".repeat(500));
    let error = command(&long).request(NOW_MS).unwrap_err().to_string();
    assert!(error.lines().all(|line| line.len() < 200), "{error}");
    let hostile = command("up\u{1b}[31m").request(NOW_MS).unwrap_err().to_string();
    assert!(!hostile.contains('\u{1b}'));
}

#[test]
fn a_vector_is_a_table_or_a_line_a_value() {
    let shown = command("x").show(200, VECTOR.as_bytes(), None).unwrap();
    assert_eq!(
        shown,
        "metric    core  host   value\ncpu_busy  0             42.5\ncpu_busy        a,\"b\"      7\n! look\n"
    );
    let csv = QueryCommand { format: ShellFormat::Csv, ..command("x") };
    assert_eq!(
        csv.show(200, VECTOR.as_bytes(), None).unwrap(),
        "time,metric,core,host,value\n1795408620.476,cpu_busy,0,,42.5\n1795408620.476,cpu_busy,,\"a,\"\"b\"\"\",7\n"
    );
    let json = QueryCommand { format: ShellFormat::Json, ..command("x") };
    assert_eq!(json.show(200, VECTOR.as_bytes(), None).unwrap().trim_end(), VECTOR);
}

#[test]
fn a_range_has_its_extremes_and_in_a_terminal_its_course() {
    let screen = Some(Screen { columns: 80 });
    let shown = over("x", 60).show(200, MATRIX.as_bytes(), screen).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "core  min  max  last");
    assert!(lines[1].starts_with("0       1    3     2  ▁") && lines[1].ends_with('▅'), "{}", lines[1]);
    assert_eq!(lines[2], "1     NaN  NaN   NaN");
    for screen in [None, Some(Screen { columns: 20 })] {
        let shown = over("x", 60).show(200, MATRIX.as_bytes(), screen).unwrap();
        assert!(!shown.contains('▁'));
    }
}

#[test]
fn what_is_no_answer_does_not_reach_the_terminal_as_it_is() {
    let rejected = r#"{"status":"error","errorType":"execution","error":"too\u001b[31m much"}"#;
    let error = command("x").show(422, rejected.as_bytes(), None).unwrap_err();
    assert!(matches!(&error, CommandError::Rejected { status: 422, .. }));
    assert!(error.to_string().contains("too") && !error.to_string().contains('\u{1b}'));
    for body in
        ["", "<html>", "{}", r#"{"status":"success"}"#, r#"{"status":"success","data":{"resultType":"vector"}}"#]
    {
        assert!(command("x").show(200, body.as_bytes(), None).is_err(), "{body}");
    }
    let odd = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":3},{"value":[]},7]}}"#;
    command("x").show(200, odd.as_bytes(), Some(Screen { columns: 80 })).unwrap();
    let hostile = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"\u001b[2J\n=1+1"},"value":[1,"2"]}]}}"#;
    for format in [ShellFormat::Table, ShellFormat::Csv] {
        let shown = QueryCommand { format, ..command("x") }.show(200, hostile.as_bytes(), None).unwrap();
        assert!(!shown.contains('\u{1b}') && shown.lines().count() == 2, "{shown}");
    }
}

#[test]
fn without_an_agent_a_reader_answers_the_same() {
    let mut reader = MemoryReader::default();
    let identity = Identity { endpoint: "web-1".into(), metric: "cpu.busy".into(), tags: [].into() };
    (0..10).for_each(|at| reader.push(&identity, NOW_MS - at * 10_000, at as f64));
    let limits = ReadLimits::default();
    let body = command("cpu_busy").answer(&reader, NOW_MS, limits).unwrap();
    let shown = command("cpu_busy").show(200, body.as_bytes(), None).unwrap();
    assert_eq!(shown, "metric    instance  value\ncpu_busy  web-1         0\n");
    let body = over("cpu_busy", 60).answer(&reader, NOW_MS, limits).unwrap();
    assert!(over("cpu_busy", 60).show(200, body.as_bytes(), None).unwrap().contains("last"));
    assert!(command("up +").answer(&reader, NOW_MS, limits).is_err());
    let small = ReadLimits { samples: 1, ..limits };
    assert!(matches!(over("cpu_busy", 60).answer(&reader, NOW_MS, small), Err(CommandError::Query(_))));
}
