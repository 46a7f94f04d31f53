//! A file of a group that is read in every run, through a descriptor that stays open while there are enough of them.

use super::{Fault, File, READ_BYTES, open, text, whole};

/// Runs with values until a file that was absent is looked for again: a controller may be enabled later.
const LOOK_AGAIN: u8 = 60;

/// How many descriptors may stay open.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
}

/// One file.
#[derive(Debug, Default)]
pub(crate) enum Kept {
    #[default]
    Closed,
    Open(File),
    /// Not there, or not to be read. How often it was asked for since it was last looked for.
    Absent(u8),
}

impl Budget {
    pub(crate) fn new(most: u32) -> Self {
        Self { left: most }
    }

    /// How many are left.
    #[cfg(test)]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }
}

impl Kept {
    /// The text of a file that the kernel makes in one piece. `path` is asked for only if it has to be opened.
    pub(crate) fn read(&mut self, budget: &mut Budget, path: impl FnOnce() -> String) -> Result<String, Fault> {
        self.read_by(budget, path, |file| {
            let bytes = file.read(READ_BYTES, 0)?;
            if bytes.len() < READ_BYTES { Ok(text(bytes)) } else { whole(file) }
        })
    }

    /// The text of a file that the kernel makes record by record, such as a list of processes.
    pub(crate) fn read_list(&mut self, budget: &mut Budget, path: impl FnOnce() -> String) -> Result<String, Fault> {
        self.read_by(budget, path, whole)
    }

    fn read_by(
        &mut self,
        budget: &mut Budget,
        path: impl FnOnce() -> String,
        read: impl Fn(&File) -> Result<String, Fault>,
    ) -> Result<String, Fault> {
        match self {
            Self::Open(file) => {
                let found = read(file);
                if let Err(fault) = &found {
                    self.close(budget);
                    *self = Self::after(fault);
                }
                return found;
            }
            Self::Absent(times) if *times < LOOK_AGAIN => {
                *times += 1;
                return Err(Fault::Absent);
            }
            Self::Closed | Self::Absent(_) => {}
        }
        match open(&path()) {
            Ok(file) => {
                let found = read(&file).inspect_err(|fault| *self = Self::after(fault))?;
                *self = Self::Closed;
                if budget.left > 0 {
                    budget.left -= 1;
                    *self = Self::Open(file);
                }
                Ok(found)
            }
            Err(fault) => {
                *self = Self::after(&fault);
                Err(fault)
            }
        }
    }

    /// What cannot be read is said once, and asked for as rarely as what is not there.
    fn after(fault: &Fault) -> Self {
        if *fault == Fault::Gone { Self::Closed } else { Self::Absent(0) }
    }

    /// Gives the descriptor back.
    pub(crate) fn close(&mut self, budget: &mut Budget) {
        if matches!(self, Self::Open(_)) {
            budget.left += 1;
        }
        *self = Self::Closed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_open_while_descriptors_are_left_and_is_read_all_the_same_beyond() {
        let folder = crate::tests::Folder::new("kept");
        folder.write("a", "1\n");
        let mut budget = Budget::new(1);
        let mut files = [Kept::default(), Kept::default()];
        for _ in 0..3 {
            for file in &mut files {
                assert_eq!(file.read(&mut budget, || folder.path("a")).unwrap(), "1\n");
            }
        }
        assert!(matches!(files, [Kept::Open(_), Kept::Closed]));
        files.iter_mut().for_each(|file| file.close(&mut budget));
        files.iter_mut().for_each(|file| file.close(&mut budget));
        assert_eq!(budget.left(), 1);
    }

    #[test]
    fn an_empty_file_is_one_and_an_absent_one_is_looked_for_now_and_then() {
        let folder = crate::tests::Folder::new("absent");
        folder.write("empty", "");
        let mut budget = Budget::new(9);
        assert_eq!(Kept::default().read(&mut budget, || folder.path("empty")).unwrap(), "");
        let mut file = Kept::default();
        assert_eq!(file.read(&mut budget, || folder.path("later")), Err(Fault::Absent));
        folder.write("later", "x".repeat(3 * READ_BYTES).as_str());
        for _ in 0..LOOK_AGAIN {
            assert_eq!(file.read(&mut budget, || unreachable!()), Err(Fault::Absent));
        }
        assert_eq!(file.read(&mut budget, || folder.path("later")).unwrap().len(), 3 * READ_BYTES);
    }
}
