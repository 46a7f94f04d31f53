//! What kind of plugin a file is, by the names that it exports: found without compiling anything.
//!
//! The bytes are a stranger's. Only the outermost sections are stepped over, in a bounded number of steps; what is inside
//! of a module is not looked at.

use wasmparser::{Chunk, ComponentExportSectionReader, ExportSectionReader, Parser, Payload};

use crate::plugin::PluginKind;

/// Sections of a file. Python's components have some six hundred.
const SECTIONS_MAX: usize = 20_000;
/// Names that it exports: of a module, three for each function.
const EXPORTS_MAX: usize = 10_000;

/// What kind of plugin these bytes are, if that can be seen from outside. None says nothing yet: loading tells.
#[must_use]
pub fn kind_of(bytes: &[u8]) -> Option<PluginKind> {
    // The parser is to return errors; a panic of it costs this answer only.
    std::panic::catch_unwind(|| find(bytes)).ok().flatten()
}

fn find(bytes: &[u8]) -> Option<PluginKind> {
    let mut parser = Parser::new(0);
    let mut place = 0;
    for _ in 0..SECTIONS_MAX {
        let Chunk::Parsed { consumed, payload } = parser.parse(bytes.get(place..)?, true).ok()? else { return None };
        place += consumed;
        match payload {
            // What is nested is skipped whole; the parser stands behind it already.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                place = unchecked_range.end;
            }
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                place += size as usize;
            }
            Payload::ComponentExportSection(exports) => {
                if let Some(kind) = of_component(exports) {
                    return Some(kind);
                }
            }
            Payload::ExportSection(exports) => return of_module(exports),
            Payload::End(_) => return None,
            _ => {}
        }
    }
    None
}

fn of_component(exports: ComponentExportSectionReader<'_>) -> Option<PluginKind> {
    exports.into_iter().take(EXPORTS_MAX).find_map(|export| PluginKind::of_export(export.ok()?.name.name))
}

/// A core module that is to become a component exports `INTERFACE#FUNCTION`.
fn of_module(exports: ExportSectionReader<'_>) -> Option<PluginKind> {
    exports.into_iter().take(EXPORTS_MAX).find_map(|export| PluginKind::of_export(export.ok()?.name.split_once('#')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that exports an empty instance under this name.
    fn component(export: &str) -> Vec<u8> {
        let text = format!("(component (instance $i) (export \"{export}\" (instance $i)))");
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn the_kind_is_seen_from_the_exports() {
        assert_eq!(kind_of(&component("saker:plugin/collector@0.1.0")), Some(PluginKind::Collector));
        assert_eq!(kind_of(&component("saker:plugin/processor@0.1.3")), Some(PluginKind::Processor));
        assert_eq!(kind_of(&component("saker:plugin/backend@0.1.0")), Some(PluginKind::Backend));
        assert_eq!(kind_of(&component("wasi:cli/run@0.2.0")), None);
        let module = wat::parse_str("(module (func (export \"saker:plugin/backend@0.1.0#open\")))").unwrap();
        assert_eq!(kind_of(&module), Some(PluginKind::Backend));
    }

    #[test]
    fn bytes_that_are_no_plugin_have_none() {
        for bytes in [&b""[..], b"\0asm", b"#!/bin/sh\n", b"\0asm\x0d\0\x01\0\x07\xff", b"\0asm\x01\0\0\0"] {
            assert_eq!(kind_of(bytes), None);
        }
        let whole = component("saker:plugin/collector@0.1.0");
        for cut in 0..whole.len() {
            let mut bytes = whole[..cut].to_vec();
            assert!(matches!(kind_of(&bytes), None | Some(PluginKind::Collector)), "cut at {cut}");
            bytes.extend([0xff; 40]);
            assert!(matches!(kind_of(&bytes), None | Some(PluginKind::Collector)), "garbled at {cut}");
        }
    }

    #[test]
    fn a_file_of_nothing_but_sections_is_given_up_soon() {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        // Ten million custom sections that say nothing.
        (0..10_000_000).for_each(|_| bytes.extend([0, 1, 0]));
        let start = std::time::Instant::now();
        assert_eq!(kind_of(&bytes), None);
        assert!(start.elapsed() < std::time::Duration::from_millis(100), "{:?}", start.elapsed());
    }
}
