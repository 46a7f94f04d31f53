//! Sockets by state, from `/proc/net/tcp` and `/proc/net/tcp6`.
//!
//! A busy host has a hundred thousand lines of 150 bytes there, so the files are never held as a whole: they come in
//! pieces cut anywhere, and only the fourth column of each line is looked at.

use saker_sdk::prelude::*;

/// The metrics, by the kernel's number for the state less one. ESTABLISHED and TIME_WAIT are known without counting; the
/// state CLOSE, number 7, stands in no table of the kernel and so never in these files.
const METRICS: [Option<&str>; 11] = [
    None,
    Some("ss.synsent"),
    Some("ss.synrecv"),
    Some("ss.finwait1"),
    Some("ss.finwait2"),
    None,
    None,
    Some("ss.closewait"),
    Some("ss.lastack"),
    Some("ss.listen"),
    Some("ss.closing"),
];

/// Words of a line before its state: a number, the local address, the remote address.
const WORDS_BEFORE_STATE: u8 = 3;

/// The counts, and where in a file the last piece ended.
pub(crate) struct States {
    counts: [u64; METRICS.len()],
    step: ListStep,
    line: u64,
    /// The first line of this file that made no sense, and how many did not.
    odd: Option<(u64, u64)>,
}

#[derive(Clone, Copy)]
enum ListStep {
    /// Between words, behind this many.
    Gap(u8),
    /// In a word, behind this many others.
    Word(u8),
    /// In the state, whose digits so far make this number.
    State(usize),
    /// Behind the state, and in the line of headings.
    Rest,
}

impl States {
    pub(crate) fn new() -> Self {
        Self { counts: [0; METRICS.len()], step: ListStep::Rest, line: 1, odd: None }
    }

    /// Takes the next piece of the file.
    pub(crate) fn take(&mut self, mut piece: &[u8]) {
        while let Some((&byte, rest)) = piece.split_first() {
            if let ListStep::Rest = self.step {
                let Some(end) = piece.iter().position(|&byte| byte == b'\n') else { return };
                piece = &piece[end + 1..];
                self.step = ListStep::Gap(0);
                self.line += 1;
                continue;
            }
            match self.advance(byte) {
                Some(step) => {
                    self.step = step;
                    piece = rest;
                }
                None => {
                    self.note();
                    // The end of the line is found from here, also if this is it.
                    self.step = ListStep::Rest;
                }
            }
        }
    }

    /// Ends a file; what is taken next is the beginning of another. Answers the first line that made no sense, and how
    /// many did not.
    pub(crate) fn end(&mut self) -> Option<(u64, u64)> {
        if !matches!(self.step, ListStep::Rest | ListStep::Gap(0)) {
            self.note();
        }
        (self.line, self.step) = (1, ListStep::Rest);
        self.odd.take()
    }

    fn note(&mut self) {
        let (first, count) = self.odd.unwrap_or((self.line, 0));
        self.odd = Some((first, count + 1));
    }

    /// Appends a metric for each state, also for those that no socket is in. They are counted every `step_s` seconds.
    pub(crate) fn push(&self, step_s: u32, values: &mut Vec<Sample>) {
        let counts = METRICS.iter().zip(self.counts);
        values.extend(counts.filter_map(|(metric, count)| {
            Some(Sample { step_s: Some(step_s), ..Sample::gauge((*metric)?, count as f64) })
        }));
    }

    fn advance(&mut self, byte: u8) -> Option<ListStep> {
        match (self.step, byte) {
            (ListStep::Gap(words), b' ') => Some(ListStep::Gap(words)),
            (ListStep::Word(words), b' ') => Some(ListStep::Gap(words + 1)),
            (ListStep::State(state), b' ') => {
                // A state that a later kernel may add is counted nowhere.
                if let Some(count) = state.checked_sub(1).and_then(|index| self.counts.get_mut(index)) {
                    *count += 1;
                }
                Some(ListStep::Rest)
            }
            (_, b'\n') => None,
            (ListStep::Gap(WORDS_BEFORE_STATE), _) => hex(byte).map(ListStep::State),
            (ListStep::State(state), _) => Some(ListStep::State(state.checked_mul(16)?.checked_add(hex(byte)?)?)),
            (ListStep::Gap(words) | ListStep::Word(words), _) => Some(ListStep::Word(words)),
            (ListStep::Rest, _) => Some(ListStep::Rest),
        }
    }
}

fn hex(byte: u8) -> Option<usize> {
    char::from(byte).to_digit(16).map(|digit| digit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &[u8] = include_bytes!("../../../../tests/fixtures/proc/net/tcp");
    const TCP6: &[u8] = include_bytes!("../../../../tests/fixtures/proc/net/tcp6");
    const HEADINGS: &str = "  sl  local_address rem_address   st tx_queue\n";

    fn metrics(states: &States) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        states.push(60, &mut values);
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    fn count(text: &str) -> (States, Option<(u64, u64)>) {
        let mut states = States::new();
        states.take(text.as_bytes());
        let odd = states.end();
        (states, odd)
    }

    #[test]
    fn both_files_are_added_up() {
        let mut states = States::new();
        for file in [TCP, TCP6] {
            states.take(file);
            assert_eq!(states.end(), None);
        }
        let expected = [
            ("ss.synsent", 1.0),
            ("ss.synrecv", 2.0),
            ("ss.finwait1", 1.0),
            ("ss.finwait2", 1.0),
            ("ss.closewait", 1.0),
            ("ss.lastack", 1.0),
            ("ss.listen", 4.0),
            ("ss.closing", 1.0),
        ];
        assert_eq!(metrics(&states), expected.map(|(metric, count)| (metric.to_owned(), count)));
    }

    #[test]
    fn a_piece_may_end_anywhere() {
        let mut whole = States::new();
        whole.take(TCP);
        for at in 0..TCP.len() {
            let mut states = States::new();
            states.take(&TCP[..at]);
            states.take(&TCP[at..]);
            assert_eq!(states.counts, whole.counts, "cut at {at}");
        }
    }

    #[test]
    fn a_state_that_is_not_known_is_counted_nowhere() {
        let text = format!("{HEADINGS}   0: A:1 B:2 0D x\n   1: A:1 B:2 00 x\n   2: A:1 B:2 07 x\n");
        let (states, odd) = count(&text);
        assert_eq!(odd, None);
        assert!(metrics(&states).iter().all(|(_, count)| *count == 0.0));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_numbered_and_costs_itself() {
        for line in ["   0: A:1 B:2 zz x", "   0: A:1", "", "   0: A:1 B:2 01", "   0: A:1 B:2 fffffffffffffffff x"] {
            let text = format!("{HEADINGS}   0: A:1 B:2 0A x\n{line}\n   1: A:1 B:2 0A x\n");
            let (states, odd) = count(&text);
            assert_eq!(odd, Some((3, 1)), "{line:?}");
            assert_eq!(states.counts[9], 2, "{line:?}");
        }
        assert_eq!(count(&format!("{HEADINGS}   0: A:1 B:2 0A x\n   1: A:1 B:")).1, Some((3, 1)), "it breaks off");
        assert_eq!(count("").1, None);
    }
}
